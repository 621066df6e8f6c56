import torch

# Two threads on tiny tensors wait for each other more than they work, most of all where other tests run beside.
torch.set_num_threads(1)

"""The papers that cards name."""

from app.methods.card import Paper

_ARXIV = "https://arxiv.org/abs/"
_NIPS = "https://proceedings.neurips.cc/paper/"

BLALOCK = Paper("Blalock et al.", 2020, "What is the State of Neural Network Pruning?", _ARXIV + "2003.03033")
LI = Paper("Li et al.", 2017, "Pruning Filters for Efficient ConvNets", _ARXIV + "1608.08710")
LIU = Paper(
    "Liu et al.", 2017, "Learning Efficient Convolutional Networks through Network Slimming", _ARXIV + "1708.06519"
)
HE_MEDIAN = Paper(
    "He et al.",
    2019,
    "Filter Pruning via Geometric Median for Deep Convolutional Neural Networks Acceleration",
    _ARXIV + "1811.00250",
)
LEE = Paper("Lee et al.", 2021, "Layer-adaptive Sparsity for the Magnitude-based Pruning", _ARXIV + "2010.07611")
MOLCHANOV_2019 = Paper(
    "Molchanov et al.", 2019, "Importance Estimation for Neural Network Pruning", _ARXIV + "1906.10771"
)
MOLCHANOV_2017 = Paper(
    "Molchanov et al.",
    2017,
    "Pruning Convolutional Neural Networks for Resource Efficient Inference",
    _ARXIV + "1611.06440",
)
LECUN = Paper(
    "LeCun et al.", 1990, "Optimal Brain Damage", _NIPS + "1989/hash/6c9882bbac1c7093bd25041881277658-Abstract.html"
)
LIN = Paper("Lin et al.", 2020, "HRank: Filter Pruning using High-Rank Feature Map", _ARXIV + "2002.10179")
HASSIBI = Paper(
    "Hassibi & Stork",
    1993,
    "Second Order Derivatives for Network Pruning: Optimal Brain Surgeon",
    _NIPS + "1992/hash/303ed4c69846ab36c2904d3ba8573050-Abstract.html",
)
WU = Paper(
    "Wu et al.", 2023, "Block Pruning for Enhanced Efficiency in Convolutional Neural Networks", _ARXIV + "2312.16904"
)
HINTON = Paper("Hinton et al.", 2015, "Distilling the Knowledge in a Neural Network", _ARXIV + "1503.02531")
KORNBLITH = Paper(
    "Kornblith et al.", 2019, "Similarity of Neural Network Representations Revisited", _ARXIV + "1905.00414"
)
SADAQA = Paper(
    "Sadaqa & Liu",
    2025,
    "Compressing CNN models for resource-constrained systems by channel and layer pruning",
    _ARXIV + "2509.08714",
)
ELKERDAWY = Paper(
    "Elkerdawy et al.", 2020, "To Filter Prune, or to Layer Prune, That Is The Question", _ARXIV + "2007.05667"
)
NASCIMENTO = Paper("Nascimento et al.", 2025, "Pruning Everything, Everywhere, All at Once", _ARXIV + "2506.04513")
GUO = Paper("Guo et al.", 2020, "Model Compression Using Progressive Channel Pruning", _ARXIV + "2507.04792")
HE_CHANNELS = Paper(
    "He et al.", 2017, "Channel Pruning for Accelerating Very Deep Neural Networks", _ARXIV + "1707.06168"
)
HAN = Paper(
    "Han et al.", 2015, "Learning both Weights and Connections for Efficient Neural Networks", _ARXIV + "1506.02626"
)
EAGLE_EYE = Paper(
    "Li et al.", 2020, "EagleEye: Fast Sub-net Evaluation for Efficient Neural Network Pruning", _ARXIV + "2007.02491"
)

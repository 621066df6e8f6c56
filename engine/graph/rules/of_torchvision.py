"""What torchvision's networks have of their own. `trace` imports this once a network may have it: it takes a second."""

from torchvision.models.convnext import LayerNorm2d
from torchvision.ops import StochasticDepth, drop_block2d, drop_block3d
from torchvision.ops.stochastic_depth import stochastic_depth

from engine.graph.rules.norms import layer_norm_2d
from engine.graph.rules.passing import passing
from engine.graph.rules.registry import function_rule, module_rule

module_rule(LayerNorm2d)(layer_norm_2d)
module_rule(StochasticDepth)(passing)
function_rule(stochastic_depth, drop_block2d, drop_block3d)(passing)

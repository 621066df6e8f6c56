"""The cards of orders and methods: what goes in which phase, and how it is looked for."""

from app import text
from app.charts.methods import of_steps
from app.methods import papers
from app.methods.card import LABELLED, Card

_SHARES = r"$k$: the share of the MACs that stays; $\alpha$: how much of the work falls to layers, a half by default."
_ITS_CRITERION = "What the criterion costs"


def _order(name: str, **said: object) -> Card:
    return Card(name, "Orders", text.order_label(name).capitalize(), **said)  # type: ignore[arg-type]


ORDERS = (
    _order(
        "layers-channels",
        sentence="First whole blocks go, then channels of the layers that are left: the usual order.",
        formula=r"k = \underbrace{k^{\alpha}}_{\text{layers}} \cdot \underbrace{k^{1-\alpha}}_{\text{channels}}",
        symbols=_SHARES,
        paper=papers.SADAQA,
        needs=None,
        costs=_ITS_CRITERION + ", once for each phase, and a recovery after each.",
        draw=of_steps.layers_channels,
        alt="Three skylines: whole, without two blocks, and without two blocks and narrower.",
    ),
    _order(
        "channels-layers",
        sentence="First channels of all layers go, then whole blocks, which are judged in the narrower network.",
        formula=r"k = \underbrace{k^{1-\alpha}}_{\text{channels}} \cdot \underbrace{k^{\alpha}}_{\text{layers}}",
        symbols=_SHARES,
        paper=papers.SADAQA,
        needs=None,
        costs=_ITS_CRITERION + ", once for each phase, and a recovery after each.",
        draw=of_steps.channels_layers,
        alt="Three skylines: whole, narrower, and narrower without two blocks.",
    ),
    _order(
        "layers",
        sentence="Only whole blocks go: the network gets shallower, which is what makes it faster on most machines.",
        formula=r"N \to N \setminus \{ b_1, \dots, b_n \}",
        symbols=r"$b$: blocks whose input and output have the same shape, so that the rest fits together without them.",
        paper=papers.ELKERDAWY,
        needs=None,
        costs=_ITS_CRITERION + ". Targets are met in steps as coarse as the blocks are.",
        draw=of_steps.layers,
        alt="Two skylines: whole, and with two of seven layers hatched.",
    ),
    _order(
        "channels",
        sentence="Only channels go: every layer stays and gets narrower, some much more than others.",
        formula=r"\{\, c : s_c < \tau \,\}, \quad \text{MACs}(\tau) \le k \cdot \text{MACs}",
        symbols=r"$\tau$: the threshold that meets the target; $k$: the share of the MACs that stays.",
        paper=papers.LI,
        needs=None,
        costs=_ITS_CRITERION + ". Targets are met almost exactly.",
        draw=of_steps.channels,
        alt="Two skylines: whole, and with every layer narrower.",
    ),
    _order(
        "alternate",
        sentence="At each step a block is weighed against as much in channels, and what hurts less goes.",
        formula=r"\arg\min \big\{ \Delta_{\text{block}},\; \Delta_{\text{channels}} \big\}",
        symbols=r"$\Delta$: how much worse the network is without the one or the other, by the measure of attempts.",
        paper=papers.NASCIMENTO,
        needs=LABELLED,
        costs="Two attempts over the validation images at each step, and many steps.",
        draw=of_steps.alternate,
        alt="From a whole skyline two arrows lead to one without blocks and to a narrower one.",
    ),
)
METHODS = (
    Card(
        "one-shot",
        "Methods",
        "One-shot",
        sentence="Looks once, ranks everything, and removes in one go what stands lowest.",
        formula=r"\text{remove } \{\, c : s_c < \tau \,\}",
        symbols=r"$s_c$: the scores; $\tau$: the threshold that meets the target.",
        paper=papers.SADAQA,
        needs=None,
        costs=_ITS_CRITERION + ", once: the fastest method.",
        draw=of_steps.one_shot,
        alt="Bars in order of height with one line through them; all that are shorter are hatched.",
    ),
    Card(
        "direct",
        "Methods",
        "Direct",
        sentence="Tries the network without each block, removes the one that is missed least, and begins again.",
        formula=r"b^* = \arg\max_b \, \operatorname{acc}(N \setminus b)",
        symbols=r"$N \setminus b$: the network without block $b$; acc: the share of validation images that are right.",
        paper=papers.WU,
        needs=LABELLED,
        costs="A pass over the validation images for each block, anew after every removal, and a recovery each time.",
        draw=of_steps.direct,
        alt="Three rows of blocks, each without another one, and the accuracy of each; the best is marked.",
    ),
    Card(
        "progressive",
        "Methods",
        "Progressive",
        sentence="Masks a few channels of every layer for a try, prunes where that hurts least, and begins again.",
        formula=r"\min_\ell \; \Delta L_\ell \, / \, \Delta \text{MACs}_\ell",
        symbols=r"$\Delta L_\ell$: how the loss rises when layer $\ell$ loses its lowest channels; "
        r"$\Delta \text{MACs}_\ell$: what that saves.",
        paper=papers.GUO,
        needs=LABELLED,
        costs="A pass over the validation images for each layer at each step; a race drops hopeless tries early.",
        draw=of_steps.progressive,
        alt="Three skylines, attempt, select and prune, with an arrow back to the first.",
    ),
)

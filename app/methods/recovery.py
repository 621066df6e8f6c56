"""The cards of what is done after a cut: how what is left gets accuracy back."""

from app.charts.methods import of_steps
from app.methods import papers
from app.methods.card import IMAGES, LABELLED, Card, Kind

_KIND: Kind = "Reconstruction and recovery"

CARDS = (
    Card(
        "reconstruct",
        _KIND,
        "Reconstruction",
        sentence="Gives the layers behind a cut the weights that bring back the whole network's values most nearly.",
        formula=r"\min_W \; \lVert Y - X W \rVert^2 + \lambda \, \lVert W - W_0 \rVert^2",
        symbols=r"$Y$: a layer's values in the whole network; $X$: what it reads in the pruned one; $W_0$: its weights "
        r"before; $\lambda$: the ridge, which holds on to them.",
        paper=papers.HE_CHANNELS,
        needs=IMAGES,
        costs="Seconds: one system of equations for each layer. Nothing is trained, and the MACs stay as they are.",
        draw=of_steps.reconstruct,
        alt="Points with the straight line that passes them most closely.",
    ),
    Card(
        "recover",
        _KIND,
        "Fine-tuning",
        sentence="Trains what is left a little longer on the labelled images, with a small learning rate.",
        formula=r"w \leftarrow w - \eta \, \frac{\partial L}{\partial w}",
        symbols=r"$\eta$: the learning rate; $L$: the loss on a batch of training images.",
        paper=papers.HAN,
        needs=LABELLED,
        costs="As long as some epochs of training take, for each target: the dearest part of most runs.",
        draw=of_steps.recover,
        alt="A curve of the loss that falls, with a ball that goes down it in steps.",
    ),
    Card(
        "distil",
        _KIND,
        "Distillation",
        sentence="The whole network teaches the pruned one: its answers say more than the right class alone.",
        formula=r"(1 - \beta) \, \text{CE} + \beta \, T^2 \, \operatorname{KL}\big( p^{(T)}_{\text{teacher}} "
        r"\,\Vert\, p^{(T)}_{\text{pupil}} \big)",
        symbols=r"CE: the usual loss on labels; $p$: answers, softened by the temperature $T$; $\beta$: the teacher's "
        "part.",
        paper=papers.HINTON,
        needs=LABELLED,
        costs="Fine-tuning, and a pass of the whole network over each batch.",
        draw=of_steps.distil,
        alt="An arrow from a whole skyline, the teacher, to a small one, the pupil.",
    ),
    Card(
        "reestimate_bn",
        _KIND,
        "Batch norm re-estimated",
        sentence="Measures anew the means and spreads that batch norm has noted, which no longer fit after a cut.",
        formula=r"\hat{x} = \frac{x - \mu}{\sigma}",
        symbols=r"$\mu$ and $\sigma$: mean and spread of a channel, averaged over batches of training images.",
        paper=papers.EAGLE_EYE,
        needs=IMAGES,
        costs="Seconds: a pass forwards over some 2,500 training images.",
        draw=of_steps.reestimate_bn,
        alt="Two curves of how values are spread, the old one dashed and the new one further to the right.",
    ),
)

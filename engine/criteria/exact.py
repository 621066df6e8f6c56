"""Criteria that try each block's removal: the measures of `engine.criteria.attempts`. No torch."""

from engine.criteria.declare import exact_criterion

WU, HINTON, KORNBLITH = "Wu et al. 2023", "Hinton et al. 2015", "Kornblith et al. 2019"

exact_criterion("accuracy", label="Exact accuracy", formula="accuracy lost without it", source=WU, module=__name__)
exact_criterion("loss", label="Exact loss", formula="loss gained without it", source=WU, module=__name__)
exact_criterion("divergence", label="Divergence", formula="KL of outputs at T = 4", source=HINTON, module=__name__)
exact_criterion("cka", label="CKA", formula="1 − CKA of features", source=KORNBLITH, module=__name__)

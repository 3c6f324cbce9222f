"""Concealed and kept attributes: their labels, and the label vectors that the decoder takes."""

from conceal_jax.attributes.attribute_set import AttributeSet
from conceal_jax.attributes.spec import (
    AGE_GROUPS,
    MISSING_CLASS,
    Attribute,
    Categorical,
    Continuous,
    LabelArray,
)

__all__ = ["AGE_GROUPS", "MISSING_CLASS", "Attribute", "AttributeSet", "Categorical", "Continuous", "LabelArray"]

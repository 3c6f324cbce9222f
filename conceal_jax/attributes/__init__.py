"""What is concealed and what is kept: attributes, their labels, and the label vectors made of them."""

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

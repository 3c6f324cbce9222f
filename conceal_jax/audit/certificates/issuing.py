"""Issues the certificates of a release, one for each concealed attribute, or the reasons why there are none."""

import dataclasses

import numpy as np

from conceal_jax.attributes import MISSING_CLASS, Attribute, AttributeSet
from conceal_jax.audit.certificates.bounds import uniform_priors
from conceal_jax.audit.certificates.certificate import (
    AuditSet,
    Certificate,
    CertificateRefusedError,
    ReleaseDescription,
)
from conceal_jax.audit.certificates.certify import certify_finite_code, certify_noise_mechanism
from conceal_jax.audit.release import Release


def certificates(
    attributes: AttributeSet, description: ReleaseDescription, audit_set: AuditSet, people: Release, releases: int = 1
) -> tuple[list[Certificate], dict[str, str]]:
    """Bounds on what any attacker reads of the concealed attributes, balanced accuracy.

    Args:
        description: how the codes are made.
        audit_set: where the people come from; of each, one photo counts.
        people: their codes and labels.
        releases: how many releases of these same people are certified; all certificates hold together.

    Returns:
        The certificates, and the reason by attribute where one is refused.
    """
    issued, refused = [], {}
    together = dataclasses.replace(audit_set, jointly=len(attributes.concealed) * releases)
    for spec in attributes.concealed:
        try:
            if description.kind == "finite":
                issued.append(_of_finite_code(spec, description, together, people))
            else:
                priors = uniform_priors(len(spec.group_names))
                issued.append(certify_noise_mechanism(description, attribute=spec.name, priors=priors))
        except CertificateRefusedError as error:
            refused[spec.name] = str(error)
    return issued, refused


def _of_finite_code(
    spec: Attribute, description: ReleaseDescription, audit_set: AuditSet, people: Release
) -> Certificate:
    labels = spec.groups(people.labels[spec.name])
    known = np.flatnonzero(labels != MISSING_CLASS)
    chosen = known if people.people is None else known[np.unique(people.people[known], return_index=True)[1]]
    _, values = np.unique(people.inputs("codes"), axis=0, return_inverse=True)
    return certify_finite_code(
        values[chosen],
        labels[chosen],
        len(spec.group_names),
        attribute=spec.name,
        release=description,
        audit_set=audit_set,
    )

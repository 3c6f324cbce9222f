"""Certificates: bounds on the accuracy of every attacker, refused where a condition does not hold.

The caller describes the release; what the description leaves open is refused, never assumed. The formulas are in
`bounds.py`, the proofs and the limits of each kind in docs/certificates.md.
"""

import numpy as np

from conceal_jax.attributes import MISSING_CLASS
from conceal_jax.audit.certificates import bounds
from conceal_jax.audit.certificates.certificate import (
    AuditSet,
    Certificate,
    CertificateRefusedError,
    Measure,
    ReleaseDescription,
)

MIN_PEOPLE_PER_CLASS = 20


def certify_noise_mechanism(
    release: ReleaseDescription,
    *,
    attribute: str,
    priors: np.ndarray,
    measure: Measure = "balanced accuracy",
    population: str = "any population",
) -> Certificate:
    """Certifies mean codes that are clipped to a ball before constant Gaussian noise is added.

    No audit set is needed, and the bound holds whatever computes the mean, even an encoder trained on these people.

    Args:
        priors: float [class_count], shares of the classes; for balanced accuracy only their number counts.
        population: for accuracy, the one that has these shares; balanced accuracy holds for any.

    Raises:
        CertificateRefusedError: the release is not of this kind, or has an open end.
        ValueError: priors, radius or sigma are out of range.
    """
    _refuse_open_ends(release)
    if release.kind != "gaussian":
        raise CertificateRefusedError("the release is a finite code, without noise; use certify_finite_code")
    if release.sigma is None:
        raise CertificateRefusedError(
            "sigma depends on the photo, so the noise itself can leak the attribute, and no floor under it prevents "
            "that; add noise of one constant sigma"
        )
    if release.clip_radius is None:
        raise CertificateRefusedError(
            "the mean is not clipped before the noise is added, so two people's codes can be arbitrarily far apart; "
            "clip its Euclidean norm"
        )
    class_shares = bounds.uniform_priors(len(priors)) if measure == "balanced accuracy" else np.asarray(priors)
    releases = _different_codes(release)
    return Certificate(
        attribute=attribute,
        measure=measure,
        bound=bounds.noise_mechanism_accuracy(release.clip_radius, release.sigma, class_shares, releases),
        chance=float(class_shares.max()),
        method="noise mechanism",
        inputs="the codes, or anything made from them without looking at the photo again",
        population="any population" if measure == "balanced accuracy" else population,
        confidence=1.0,
        jointly=1,
        releases=releases,
        people=0,
    )


def certify_finite_code(
    code_ids: np.ndarray,
    labels: np.ndarray,
    class_count: int,
    *,
    attribute: str,
    release: ReleaseDescription,
    audit_set: AuditSet,
    measure: Measure = "balanced accuracy",
    confidence: float = 0.95,
) -> Certificate:
    """Certifies a code of finitely many values from an audit set that had no part in making the encoder.

    Args:
        code_ids: int [N], the value of each person's code.
        labels: int [N], classes from 0 to class_count - 1, none missing.
        confidence: with which all the certificates of the audit set hold together.

    Raises:
        CertificateRefusedError: the release is not finite or has an open end; the audit set took part in training or
            selection or has a person twice; labels are missing; there are too few people.
        ValueError: arrays of different lengths or of the wrong type, labels out of range, confidence not in (0, 1).
    """
    _refuse_open_ends(release)
    _refuse_infinite(release)
    _refuse_used_people(audit_set)
    counts = _cell_counts(np.asarray(code_ids), np.asarray(labels), class_count)
    each = 1 - (1 - confidence) / audit_set.jointly
    balanced = measure == "balanced accuracy"
    bound = (bounds.finite_code_balanced_accuracy if balanced else bounds.finite_code_accuracy)(counts, each)
    if bound >= 1:
        raise CertificateRefusedError(
            f"{len(code_ids)} people are too few for a code that took {len(counts)} values on them: the bound is 1, "
            "which says nothing; use more people, or fewer values"
        )
    return Certificate(
        attribute=attribute,
        measure=measure,
        bound=bound,
        chance=1 / class_count if balanced else float(counts.sum(axis=0).max() / counts.sum()),
        method="finite code",
        inputs="the code, or anything made from it without looking at the photo again",
        population=audit_set.population,
        confidence=confidence,
        jointly=audit_set.jointly,
        releases=1,
        people=len(code_ids),
    )


def _refuse_open_ends(release: ReleaseDescription) -> None:
    if release.kind == "mean":
        raise CertificateRefusedError(
            "the release is a deterministic mean code: its values can encode anything, and no finite number of people "
            "shows that they do not; release clipped means with constant noise, or a finite code"
        )
    if release.neutral_depends_on_photo:
        raise CertificateRefusedError(
            "the neutral label was computed from the photo, so pictures leak the attribute through it whatever the "
            "code is; decode every photo under the same label"
        )
    if not release.repeats_identical and release.releases_per_photo is None:
        raise CertificateRefusedError(
            "a photo can be encoded again and again with fresh noise, and averaging removes it; key the noise by a "
            "hash of the photo and a secret, or limit the releases of a photo"
        )


def _refuse_infinite(release: ReleaseDescription) -> None:
    if release.kind != "finite":
        raise CertificateRefusedError(
            "the code takes infinitely many values, of which any number of people shows too few; quantise it, or clip "
            "the mean, add constant noise and use certify_noise_mechanism"
        )
    if _different_codes(release) > 1:
        raise CertificateRefusedError(
            f"{release.releases_per_photo} different codes of one photo leak more than the one that was measured; key "
            "the noise so that repeats are identical, or certify the tuple of codes as one code"
        )


def _refuse_used_people(audit_set: AuditSet) -> None:
    if audit_set.used_in_training or audit_set.used_in_selection:
        part = "training" if audit_set.used_in_training else "selection"
        raise CertificateRefusedError(
            f"the audit set took part in {part}, so what is measured on it does not hold for other people; use people "
            "that had no part in training or choosing the encoder"
        )
    if not audit_set.one_photo_per_person:
        raise CertificateRefusedError(
            "the audit set has several photos of one person, so they are no independent draws; keep one of each"
        )


def _different_codes(release: ReleaseDescription) -> int:
    return 1 if release.repeats_identical or release.releases_per_photo is None else release.releases_per_photo


def _cell_counts(code_ids: np.ndarray, labels: np.ndarray, class_count: int) -> np.ndarray:
    """int [cells, class_count]: people by value of the code that occurs, and class."""
    if code_ids.ndim != 1 or code_ids.shape != labels.shape:
        raise ValueError(
            f"got codes of shape {code_ids.shape} and labels of shape {labels.shape}; expected [N] and [N]"
        )
    if not (np.issubdtype(code_ids.dtype, np.integer) and np.issubdtype(labels.dtype, np.integer)):
        raise ValueError(f"got codes {code_ids.dtype} and labels {labels.dtype}; expected integers")
    missing = int(np.sum(labels == MISSING_CLASS))
    if missing:
        raise CertificateRefusedError(
            f"{missing} of {len(labels)} labels are missing, and people without one may be easier to read; leave them "
            "out and say in the population that it is the people with a known label"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < class_count):
        raise ValueError(f"got labels from {labels.min()} to {labels.max()}; expected 0 to {class_count - 1}")
    people = np.bincount(labels, minlength=class_count)
    if people.min() < MIN_PEOPLE_PER_CLASS:
        raise CertificateRefusedError(
            f"got {people.tolist()} people by class; each class needs at least {MIN_PEOPLE_PER_CLASS}"
        )
    values, cells = np.unique(code_ids, return_inverse=True)
    return np.bincount(cells * class_count + labels, minlength=len(values) * class_count).reshape(-1, class_count)

"""Certificates of a run's release, as far as its bottleneck and its people allow."""

from conceal_jax.audit.certificates.certificate import AuditSet, ReleaseDescription
from conceal_jax.audit.certificates.issuing import certificates
from conceal_jax.audit.release import Release
from conceal_jax.audit.report.schema import Certificates, Refusal
from conceal_jax.config import Config
from conceal_jax.models.bottleneck import Bottleneck
from conceal_jax.runs.trained import Run


def certificates_of(run: Run, test: Release) -> Certificates:
    """Certificates of one code of each photo, or why there are none."""
    description, audit_set = described(run.model.released), held_out(run.config)
    issued, refused = certificates(run.attributes, description, audit_set, test)
    return Certificates(tuple(issued), tuple(Refusal(name, reason) for name, reason in refused.items()))


def described(bottleneck: Bottleneck) -> ReleaseDescription:
    """What the audit of a run releases: one code of each photo, decoded under the same labels for all."""
    mechanism = bottleneck.mechanism()
    return ReleaseDescription(
        mechanism.kind,
        neutral_depends_on_photo=False,
        repeats_identical=False,
        releases_per_photo=1,
        clip_radius=mechanism.clip_radius,
        sigma=mechanism.sigma,
    )


def held_out(config: Config) -> AuditSet:
    """The validation people, of whom `certificates` takes one photo each."""
    return AuditSet(
        population=f"whoever the validation people of {config.data.source} with a known label were drawn from",
        used_in_training=False,
        used_in_selection=config.data.selection,
        one_photo_per_person=True,
    )

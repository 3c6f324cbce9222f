"""Dependence of a batch of codes on the concealed labels, in closed forms that an encoder can be charged for.

Pure functions of one whole batch: where devices share it, it is gathered first. A row counts for an attribute if its
mask is true and its label is known; the values of all other rows change nothing, and where too few rows are left the
estimate is 0 and so are its gradients. Estimates of what is zero scatter around zero: clipped there, the scatter would
become a charge.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from conceal_jax.attributes import MISSING_CLASS, Attribute, AttributeSet, Categorical, LabelArray
from conceal_jax.models.bottleneck import Posterior

Codes = Float[Array, "batch latent"]
Rows = Bool[Array, " batch"]
Pairs = Float[Array, "batch batch"]
Scalar = Float[Array, ""]

WIDEST_BANDWIDTH = 4.0
"""Of the codes' kernels, as a multiple of the mean squared distance; each of the others is half the one before."""

BANDWIDTH_COUNT = 5

VALUE_BANDWIDTH = 0.5
"""Of the kernel on a continuous attribute, in standard deviations of the batch's values."""

KERNEL_VARIANCE_FLOOR = 1e-8
"""Below this variance a kernel, which lies in [0, 1], is constant but for rounding."""

SPREAD_LIMIT = 1.0
"""Nats by which log densities may scatter before a batch holds too few codes for averages of the densities."""

HIGHEST = jax.lax.Precision.HIGHEST
"""Distances are differences of large products: shortened mantissas would leave nothing of them."""


def hsic(codes: Codes, labels: Mapping[str, LabelArray], mask: Rows, attributes: AttributeSet) -> dict[str, Scalar]:
    """Normalised HSIC of codes and each attribute: 0 on average where they are independent, 1 where kernels agree.

        <K, C> / sqrt(<K, K> <C, C>),   K of the codes and C of the labels, U-centred

    The Hilbert-Schmidt independence criterion (Gretton et al. 2005) in its unbiased form (Song et al. 2012, by the
    U-centring of Székely and Rizzo 2014), normalised as centred kernel alignment (Cortes et al. 2012; Kornblith et
    al. 2019), hence in [-1, 1]. The codes' kernel is a mean of Gaussian ones whose bandwidths follow the codes' scale,
    in the gradient too: larger codes are no way out. The labels' is 1 within a class, or Gaussian in the value.

    Args:
        codes: sampled, float32 [B, L].
        labels: by attribute, int32 classes or float32 values [B].
        mask: which rows are examples.
        attributes: whose concealed ones are asked about.
    """
    estimates = {}
    for spec in attributes.concealed:
        known = _known(labels[spec.name], mask, spec)
        code_kernel = _u_centred(_multiscale_kernel(codes, known), known)
        label_kernel = _u_centred(_label_kernel(labels[spec.name], known, spec), known)
        estimates[spec.name] = _alignment(code_kernel, label_kernel, known)
    return estimates


def moment_mismatch(
    codes: Codes, labels: Mapping[str, LabelArray], mask: Rows, attributes: AttributeSet
) -> dict[str, Scalar]:
    """How far means and second moments of the codes given each class are from those of all codes.

        sum over classes k of share_k (|m_k|^2 / 2 + |S_k - S|^2 / 4L),   of whitened codes of length L

    But for the 1/L, this is to second order the mutual information in nats of a class and codes that are Gaussian given
    the class; without it, the noise of the L^2 second moments drowns what the L means show. What the sum would be on
    average over all ways to deal the same labels out to the same codes is known exactly, and subtracted. Shares make
    rare classes count little. A continuous attribute's classes are its knots, to which a value belongs in part.

    Args: as for `hsic`.
    """
    estimates = {}
    for spec in attributes.concealed:
        known = _known(labels[spec.name], mask, spec)
        memberships = jnp.where(known[:, None], spec.encode(labels[spec.name]), 0.0)
        estimates[spec.name] = _mismatch(_whitened(codes, known), memberships, known)
    return estimates


def contrastive_information(
    codes: Codes, posterior: Posterior, labels: Mapping[str, LabelArray], mask: Rows, attributes: AttributeSet
) -> dict[str, Scalar]:
    """An estimate of I(z;c) = I(z;x) - I(z;x|c) in nats, both terms contrastive (Gupta et al. 2021).

        mean over i of log [ mean over j with c_j = c_i of q(z_i|x_j)^(1/T) / mean over j of q(z_i|x_j)^(1/T) ]

    The known posterior is the critic, and q(z_i|x_i), which both terms hold, cancels. Two changes keep the estimate
    alive at rates above the logarithm of the batch size. j = i is left out: otherwise every code is near itself alone,
    and the estimate is H(c) whatever the codes leak. And T > 1 flattens densities that scatter by more than
    `SPREAD_LIMIT` nats: otherwise one neighbour is the whole mean. What is left is what a kernel classifier reads of
    each code by the others: on average no more than I(z;c) but for terms of order classes / batch, and close to it for
    large batches of low rate. A continuous attribute has a Gaussian kernel on the value in place of c_j = c_i.

    Args:
        posterior: that the codes were sampled from. The others are as for `hsic`.
    """
    log_densities = _log_densities(codes, jnp.zeros_like(codes), posterior, mask)
    estimates = {}
    for spec in attributes.concealed:
        known = _known(labels[spec.name], mask, spec)
        pairs, alike = _pairs(known), _label_kernel(labels[spec.name], known, spec)
        flattened = _flattened(log_densities, pairs)
        gains = _log_mean_exp(flattened, pairs * alike) - _log_mean_exp(flattened, pairs)
        has_partner = jnp.sum(pairs * alike, axis=1) > 0
        estimates[spec.name] = _mean(gains, has_partner)
    return estimates


def marginal_kl(posterior: Posterior, mask: Rows) -> Scalar:
    """An upper bound of E KL(q(z|x) || q(z)) in nats, q(z) being the mean of the posteriors.

        mean over i of -log mean over j != i of exp(-KL(q(z|x_i) || q(z|x_j)))

    With it, I(z;c) <= -E log p(x|z,c) + E KL(q(z|x) || q(z)) - H(x|c) (Moyer et al. 2018). The log-mean of Kolchinsky
    and Tracey 2017 is never above Moyer's mean of the KLs (Jensen). Without j = i it bounds the term for q(z) of all
    photos, on average over batches; with it, the estimate could not exceed the logarithm of the batch size.
    """
    variance = jnp.exp(jnp.where(mask[:, None], posterior.log_variance, 0.0))
    cross_terms = _log_densities(posterior.mean, variance, posterior, mask)
    divergences = jnp.diagonal(cross_terms)[:, None] - cross_terms
    pairs = _pairs(mask)
    return _mean(-_log_mean_exp(-divergences, pairs), pairs.sum(axis=1) > 0)


def charge(
    weights: Mapping[str, float | Scalar],
    codes: Codes,
    posterior: Posterior,
    labels: Mapping[str, LabelArray],
    mask: Rows,
    attributes: AttributeSet,
    attribute_weights: tuple[float, ...] = (),
) -> Scalar:
    """What a whole batch pays for the dependence of its codes on the labels, in nats.

    Args:
        weights: of the closed forms to be computed, as `PenaltyConfig.closed_forms` names them; may be traced.
        codes, posterior, labels, mask, attributes: as for the closed forms.
        attribute_weights: of the concealed attributes; all 1 when empty.
    """
    shares = attribute_weights or (1.0,) * len(attributes.concealed)
    by_attribute = {
        "hsic": lambda: hsic(codes, labels, mask, attributes),
        "moments": lambda: moment_mismatch(codes, labels, mask, attributes),
        "contrastive": lambda: contrastive_information(codes, posterior, labels, mask, attributes),
    }
    total = jnp.zeros(())
    for name, weight in weights.items():
        if name == "marginal_kl":
            total += weight * marginal_kl(posterior, mask)
        else:
            estimates = by_attribute[name]().values()
            total += weight * sum(share * estimate for share, estimate in zip(shares, estimates, strict=True))
    return total


def _known(labels: LabelArray, mask: Rows, spec: Attribute) -> Rows:
    return mask & (labels != MISSING_CLASS if isinstance(spec, Categorical) else ~jnp.isnan(labels))


def _pairs(known: Rows) -> Pairs:
    """1 for each pair of different known rows."""
    return (known[:, None] & known[None, :] & ~jnp.eye(len(known), dtype=bool)).astype(jnp.float32)


def _mean(values: Float[Array, " batch"], rows: Rows) -> Scalar:
    return jnp.sum(jnp.where(rows, values, 0.0)) / jnp.maximum(jnp.sum(rows), 1)


def _centred(codes: Codes, known: Rows) -> Codes:
    """Minus the mean of known rows; 0 in all others."""
    clean = jnp.where(known[:, None], codes, 0.0)
    return jnp.where(known[:, None], clean - clean.sum(axis=0) / jnp.maximum(jnp.sum(known), 1), 0.0)


def _squared_distances(codes: Codes, known: Rows) -> tuple[Pairs, Scalar]:
    """Between all rows, and their mean over pairs of different known rows."""
    centred, pairs = _centred(codes, known), _pairs(known)
    squares = jnp.sum(jnp.square(centred), axis=1)
    products = jnp.matmul(centred, centred.T, precision=HIGHEST)
    distances = jnp.maximum(squares[:, None] + squares[None, :] - 2 * products, 0.0) * pairs
    return distances, distances.sum() / jnp.maximum(pairs.sum(), 1.0)


def _multiscale_kernel(codes: Codes, known: Rows) -> Pairs:
    """The mean of Gaussian kernels; each is the square of the next wider one."""
    distances, mean = _squared_distances(codes, known)
    kernels = [jnp.exp(-distances / jnp.maximum(WIDEST_BANDWIDTH * mean, 1e-12))]
    for _ in range(BANDWIDTH_COUNT - 1):
        kernels.append(jnp.square(kernels[-1]))
    return sum(kernels[1:], start=kernels[0]) / BANDWIDTH_COUNT


def _label_kernel(labels: LabelArray, known: Rows, spec: Attribute) -> Pairs:
    """How alike two labels are: 0 or 1 for classes; Gaussian in a value, so that near values are nearly the same."""
    if isinstance(spec, Categorical):
        return jnp.asarray(labels[:, None] == labels[None, :], jnp.float32)
    distances, mean = _squared_distances(jnp.where(known, labels, 0.0)[:, None], known)
    # The mean squared distance is twice the variance.
    return jnp.exp(-distances / jnp.maximum(VALUE_BANDWIDTH**2 * mean, 1e-12))


def _u_centred(kernel: Pairs, known: Rows) -> Pairs:
    """U-centring (Székely and Rizzo 2014, definition 2): rows and columns sum to 0 without the diagonal."""
    count, pairs = jnp.sum(known, dtype=jnp.float32), _pairs(known)
    kernel = kernel * pairs
    rows = kernel.sum(axis=1) / jnp.maximum(count - 2, 1.0)
    total = kernel.sum() / jnp.maximum((count - 1) * (count - 2), 1.0)
    return pairs * (kernel - rows[:, None] - rows[None, :] + total)


def _alignment(first: Pairs, second: Pairs, known: Rows) -> Scalar:
    """The cosine of two U-centred kernels; 0 for fewer than four rows, which U-centring leaves nothing of."""
    count = jnp.sum(known, dtype=jnp.float32)
    scale = 1 / jnp.maximum(count * (count - 3), 1.0)
    variances = [scale * jnp.sum(jnp.square(kernel)) + KERNEL_VARIANCE_FLOOR for kernel in (first, second)]
    cosine = scale * jnp.sum(first * second) / jnp.sqrt(variances[0] * variances[1])
    return jnp.where(count >= 4, cosine, 0.0)


def _whitened(codes: Codes, known: Rows) -> Codes:
    """Known rows with mean 0 and unit covariance, as far as there are rows to estimate it from; 0 in all others.

    Correlations are shrunk by latent / (latent + rows), so that any number of rows gives a regular matrix.
    """
    centred = _centred(codes, known)
    count, latent = jnp.sum(known, dtype=jnp.float32), codes.shape[1]
    variance = jnp.sum(jnp.square(centred), axis=0) / jnp.maximum(count, 1.0)
    standardised = centred / jnp.sqrt(variance + 1e-6)
    correlation = jnp.matmul(standardised.T, standardised, precision=HIGHEST) / jnp.maximum(count, 1.0)
    shrinkage = latent / (latent + count)
    factor = jnp.linalg.cholesky((1 - shrinkage) * correlation + shrinkage * jnp.eye(latent))
    return jax.scipy.linalg.solve_triangular(factor, standardised.T, lower=True).T


def _mismatch(codes: Codes, memberships: Float[Array, "batch classes"], known: Rows) -> Scalar:
    """`moment_mismatch` of centred codes.

    With features f_i that sum to 0 and memberships w_i of a class, the sum over i != j of w_i w_j f_i f_j is, when
    labels are dealt out at random, on average -((sum_i w_i)^2 - sum_i w_i^2) sum_i |f_i|^2 / (n (n - 1)). Without i = j
    a class of one row adds nothing, where it would add its row's fourth power.
    """
    count = jnp.sum(known, dtype=jnp.float32)
    sizes, squared_sizes = memberships.sum(axis=0), jnp.square(memberships).sum(axis=0)
    overall = jnp.matmul(codes.T, codes, precision=HIGHEST) / jnp.maximum(count, 1.0)
    means = jnp.matmul(memberships.T, codes, precision=HIGHEST)
    weighted = memberships[:, :, None] * codes[:, None, :]
    seconds = jnp.einsum("bkl,bm->klm", weighted, codes, precision=HIGHEST) - sizes[:, None, None] * overall
    features = _feature_norms(codes, overall, known)
    own = jnp.matmul(jnp.square(memberships).T, features, precision=HIGHEST)
    found = jnp.square(means).sum(axis=1) / 2 + jnp.square(seconds).sum(axis=(1, 2)) / (4 * codes.shape[1]) - own
    by_chance = -(jnp.square(sizes) - squared_sizes) * features.sum() / jnp.maximum(count * (count - 1), 1.0)
    present = sizes > 0
    return jnp.sum(jnp.where(present, (found - by_chance) / jnp.where(present, sizes, 1.0), 0.0)) / jnp.maximum(
        count, 1
    )


def _feature_norms(codes: Codes, overall: Float[Array, "latent latent"], known: Rows) -> Float[Array, " batch"]:
    """|y|^2 / 2 + |y y^T - S|^2 / 4L of each known row y, S being the mean of y y^T; 0 in all others."""
    norms = jnp.sum(jnp.square(codes), axis=1)
    crossed = jnp.sum(jnp.matmul(codes, overall, precision=HIGHEST) * codes, axis=1)
    deviations = jnp.square(norms) - 2 * crossed + jnp.sum(jnp.square(overall))
    return jnp.where(known, norms / 2 + deviations / (4 * codes.shape[1]), 0.0)


def _log_densities(points: Codes, variance: Codes, posterior: Posterior, mask: Rows) -> Pairs:
    """E log q(z|x_j) for z from N(points_i, variance_i), without the constant of 2 pi; rows i, columns j."""
    rows = mask[:, None]
    log_variance = jnp.where(rows, posterior.log_variance, 0.0)
    # Any centre gives the same densities; this one keeps the products small.
    centre = jax.lax.stop_gradient(jnp.where(rows, posterior.mean, 0.0).sum(axis=0) / jnp.maximum(jnp.sum(mask), 1))
    means, points = (jnp.where(rows, values - centre, 0.0) for values in (posterior.mean, points))
    precision = jnp.exp(-log_variance)
    squares = jnp.matmul(jnp.square(points) + variance, precision.T, precision=HIGHEST)
    products = jnp.matmul(points, (precision * means).T, precision=HIGHEST)
    constants = jnp.sum(precision * jnp.square(means) + log_variance, axis=1)
    return products - (squares + constants[None, :]) / 2


def _flattened(log_densities: Pairs, pairs: Pairs) -> Pairs:
    """Log densities divided by T: 1, or what makes them scatter by `SPREAD_LIMIT` around the mean of their row."""
    means = jnp.sum(log_densities * pairs, axis=1) / jnp.maximum(pairs.sum(axis=1), 1.0)
    deviations = (log_densities - means[:, None]) * pairs
    variance = jnp.sum(jnp.square(deviations)) / jnp.maximum(pairs.sum(), 1.0)
    return deviations / jnp.sqrt(jnp.maximum(variance / SPREAD_LIMIT**2, 1.0))


def _log_mean_exp(values: Pairs, weights: Pairs) -> Float[Array, " batch"]:
    """log of each row's weighted mean of exp(values); a finite number of no meaning where all weights are 0."""
    weighted = jnp.where(weights > 0, values + jnp.log(jnp.where(weights > 0, weights, 1.0)), -1e30)
    return jax.nn.logsumexp(weighted, axis=1) - jnp.log(jnp.maximum(weights.sum(axis=1), 1e-30))

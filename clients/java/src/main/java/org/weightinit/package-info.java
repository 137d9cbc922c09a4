/**
 * Client for weight-init, a service that generates initialized neural-network weights. It returns them as Java arrays.
 *
 * <pre>{@code
 * Weights weights = new Client().init(Request.of(256, 784).activation("relu").seed(7));
 * float[] values = weights.floats();
 * }</pre>
 *
 * <p>The same request with the same seed always returns the same values. A {@link org.weightinit.Client} sends a {@link
 * org.weightinit.Request} and returns {@link org.weightinit.Weights}. If the request fails, it throws a {@link
 * org.weightinit.WeightInitException}.
 */
package org.weightinit;

/**
 * Initialized neural-network weights from a weight-init service, as Java arrays.
 *
 * <pre>{@code
 * Weights weights = new Client().init(Request.of(256, 784).activation("relu").seed(7));
 * float[] values = weights.floats();
 * }</pre>
 *
 * <p>The same request has the same values, for ever. {@link org.weightinit.Client} asks, {@link org.weightinit.Request} says for
 * what, and {@link org.weightinit.WeightInitException} is whatever goes wrong.
 */
package org.weightinit;

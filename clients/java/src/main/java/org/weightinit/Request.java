package org.weightinit;

import java.math.BigInteger;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * What to ask of a tensor. Each method answers a new request with one field more, so a request may be kept and varied:
 * {@code Request.of(256, 784).activation("relu").seed(7).with("stddev", 0.02)}.
 *
 * <p>What is left out the service decides, and {@link Weights#metadata} tells it. The service also checks the values.
 *
 * @param fields the fields by the names that the service gives them: text, numbers, booleans, lists and maps
 */
public record Request(Map<String, Object> fields) {
    /**
     * A request of these fields as they are.
     *
     * @param fields by the names that the service gives them
     */
    public Request {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    }

    /**
     * A tensor of this shape.
     *
     * @param shape the lengths of its dimensions: [out, in, *kernel], or [*kernel, in, out] in the layout of keras, jax and flax
     * @return a request
     */
    public static Request of(long... shape) {
        return new Request(Map.of("shape", LongStream.of(shape).boxed().toList()));
    }

    /**
     * The same request with any field: a parameter of the scheme or of the activation, or a field that has no method here.
     *
     * @param name as the service names it, such as {@code stddev}
     * @param value text, a number, a boolean, a list or a map; null takes the field out
     * @return a new request
     */
    public Request with(String name, Object value) {
        var changed = new LinkedHashMap<>(fields);
        if (value == null) {
            changed.remove(name);
        } else {
            changed.put(name, value);
        }
        return new Request(changed);
    }

    /**
     * The scheme by its name; left out, the one that fits the activation.
     *
     * @param name such as he_normal, or torch.nn.init.kaiming_normal_
     * @return a new request
     */
    public Request scheme(String name) {
        return with("scheme", name);
    }

    /**
     * The scheme with its parameters.
     *
     * @param scheme such as {@code Map.of("name", "normal", "stddev", 0.02)}
     * @return a new request
     */
    public Request scheme(Map<String, ?> scheme) {
        return with("scheme", scheme);
    }

    /**
     * The activation after the layer, by its name.
     *
     * @param name such as relu
     * @return a new request
     */
    public Request activation(String name) {
        return with("activation", name);
    }

    /**
     * The activation with its parameters, or as a formula in x.
     *
     * @param activation such as {@code Map.of("name", "sin", "omega", 30)} or {@code Map.of("expression", "x*tanh(softplus(x))")}
     * @return a new request
     */
    public Request activation(Map<String, ?> activation) {
        return with("activation", activation);
    }

    /**
     * What the axes mean.
     *
     * @param layer dense, conv, conv_transpose, depthwise, embedding or recurrent
     * @return a new request
     */
    public Request layer(String layer) {
        return with("layer", layer);
    }

    /**
     * The groups of a convolution; for depthwise, its channels.
     *
     * @param groups at least 1
     * @return a new request
     */
    public Request groups(long groups) {
        return with("groups", groups);
    }

    /**
     * The matrices that are stacked along the outputs.
     *
     * @param packed at least 1; 3 for queries, keys and values in one
     * @return a new request
     */
    public Request packed(long packed) {
        return with("packed", packed);
    }

    /**
     * Who counts the fans.
     *
     * @param convention true, torch, keras or jax
     * @return a new request
     */
    public Request fanConvention(String convention) {
        return with("fan_convention", convention);
    }

    /**
     * The order of the axes; the numbers are the same, transposed.
     *
     * @param layout torch, keras, jax or flax
     * @return a new request
     */
    public Request layout(String layout) {
        return with("layout", layout);
    }

    /**
     * The type of the elements; the numbers are the same, rounded.
     *
     * @param dtype float32, float64, float16 or bfloat16
     * @return a new request
     */
    public Request dtype(String dtype) {
        return with("dtype", dtype);
    }

    /**
     * The seed; without one the service chooses, and {@link Weights#seed} tells.
     *
     * @param seed 64 bits, taken as unsigned: -1 is 2<sup>64</sup> - 1
     * @return a new request
     */
    public Request seed(long seed) {
        return seed(Long.toUnsignedString(seed));
    }

    /**
     * The seed as an integer of any size.
     *
     * @param seed 0 to 2<sup>64</sup> - 1
     * @return a new request
     */
    public Request seed(BigInteger seed) {
        return seed(seed.toString());
    }

    /**
     * The seed in decimal. All seeds travel as text, for a JSON reader on the way may hold numbers as float64.
     *
     * @param seed 0 to 18446744073709551615
     * @return a new request
     */
    public Request seed(String seed) {
        return with("seed", seed);
    }

    /**
     * The tensor's name: tensors of different names are independent.
     *
     * @param name such as encoder.0.query
     * @return a new request
     */
    public Request name(String name) {
        return with("name", name);
    }

    /**
     * The part to answer.
     *
     * @param slice NumPy's basic slicing as text, such as {@code 128:256, :}
     * @return a new request
     */
    public Request slice(String slice) {
        return with("slice", slice);
    }

    /**
     * The inputs of a unit, instead of the shape's own: for a bias, its weight's.
     *
     * @param fanIn at least 1
     * @return a new request
     */
    public Request fanIn(long fanIn) {
        return with("fan_in", fanIn);
    }

    /**
     * The units that an input feeds, instead of the shape's own.
     *
     * @param fanOut at least 1
     * @return a new request
     */
    public Request fanOut(long fanOut) {
        return with("fan_out", fanOut);
    }

    /**
     * The format of a file, for {@link Client#download}; left out, the extension says it.
     *
     * @param format npy, safetensors, npz, json or raw
     * @return a new request
     */
    public Request format(String format) {
        return with("format", format);
    }
}

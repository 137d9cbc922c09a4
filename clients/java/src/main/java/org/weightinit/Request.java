package org.weightinit;

import java.math.BigInteger;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * Describes the tensor to initialize. A request is immutable. Each method returns a new request with one more field, so requests can be
 * reused and varied: {@code Request.of(256, 784).activation("relu").seed(7).with("stddev", 0.02)}.
 *
 * <p>The service checks all fields. It chooses a value for each omitted field and returns it in {@link Weights#metadata}.
 *
 * @param fields the fields by their names in the service: text, numbers, booleans, lists and maps
 */
public record Request(Map<String, Object> fields) {
    /**
     * Creates a request with these fields.
     *
     * @param fields the fields by their names in the service
     */
    public Request {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    }

    /**
     * Creates a request for a tensor of this shape.
     *
     * @param shape the shape: [out, in, *kernel], or [*kernel, in, out] for the layouts keras, jax and flax; empty for a scalar
     * @return a new request
     */
    public static Request of(long... shape) {
        return new Request(Map.of("shape", LongStream.of(shape).boxed().toList()));
    }

    /**
     * Sets any field, such as a parameter of the scheme or the activation, or a field that has no method here.
     *
     * @param name the name of the field in the service, such as {@code stddev}
     * @param value text, a number, a boolean, a list or a map; null removes the field
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
     * Sets the scheme by its name. The default is the one that suits the activation.
     *
     * @param name a name, such as he_normal or torch.nn.init.kaiming_normal_
     * @return a new request
     */
    public Request scheme(String name) {
        return with("scheme", name);
    }

    /**
     * Sets the scheme and its parameters.
     *
     * @param scheme a name and parameters, such as {@code Map.of("name", "normal", "stddev", 0.02)}
     * @return a new request
     */
    public Request scheme(Map<String, ?> scheme) {
        return with("scheme", scheme);
    }

    /**
     * Sets the activation after the layer by its name.
     *
     * @param name a name, such as relu
     * @return a new request
     */
    public Request activation(String name) {
        return with("activation", name);
    }

    /**
     * Sets the activation and its parameters, or an expression in x.
     *
     * @param activation such as {@code Map.of("name", "sin", "omega", 30)} or {@code Map.of("expression", "x*tanh(softplus(x))")}
     * @return a new request
     */
    public Request activation(Map<String, ?> activation) {
        return with("activation", activation);
    }

    /**
     * Sets the type of layer, which gives the axes their meaning.
     *
     * @param layer dense, conv, conv_transpose, depthwise, embedding or recurrent
     * @return a new request
     */
    public Request layer(String layer) {
        return with("layer", layer);
    }

    /**
     * Sets the number of groups of a convolution, or the channels of a depthwise one.
     *
     * @param groups the number of groups, at least 1
     * @return a new request
     */
    public Request groups(long groups) {
        return with("groups", groups);
    }

    /**
     * Sets the number of matrices packed along the outputs.
     *
     * @param packed the number of matrices, at least 1; 3 for queries, keys and values in one
     * @return a new request
     */
    public Request packed(long packed) {
        return with("packed", packed);
    }

    /**
     * Sets the outputs of each of the matrices packed along the outputs.
     *
     * @param outputs the outputs of each matrix, such as 4096, 1024 and 1024 for queries, keys and values
     * @return a new request
     */
    public Request packed(List<Long> outputs) {
        return with("packed", List.copyOf(outputs));
    }

    /**
     * Sets the convention for counting the fans.
     *
     * @param convention true, torch, keras or jax
     * @return a new request
     */
    public Request fanConvention(String convention) {
        return with("fan_convention", convention);
    }

    /**
     * Sets the order of the axes. All layouts have the same numbers, transposed.
     *
     * @param layout torch, keras, jax or flax
     * @return a new request
     */
    public Request layout(String layout) {
        return with("layout", layout);
    }

    /**
     * Says what each axis of the shape is, in place of the layout.
     *
     * @param axes a letter for each axis: b (stacked), o (outputs), i (inputs) or k (kernel), such as boi
     * @return a new request
     */
    public Request axes(String axes) {
        return with("axes", axes);
    }

    /**
     * Sets an entry of an embedding to zero.
     *
     * @param entry the entry; a negative one counts from the end
     * @return a new request
     */
    public Request paddingIdx(long entry) {
        return with("padding_idx", entry);
    }

    /**
     * Sets the element type. float16 and bfloat16 have the values of float32, rounded; float64 has the same random draws with more digits.
     *
     * @param dtype float32, float64, float16 or bfloat16
     * @return a new request
     */
    public Request dtype(String dtype) {
        return with("dtype", dtype);
    }

    /**
     * Sets the seed. Without one, the service chooses a seed and returns it in {@link Weights#seed}.
     *
     * @param seed an unsigned 64-bit integer: -1 means 2<sup>64</sup> - 1
     * @return a new request
     */
    public Request seed(long seed) {
        return seed(Long.toUnsignedString(seed));
    }

    /**
     * Sets the seed.
     *
     * @param seed an integer from 0 to 2<sup>64</sup> - 1
     * @return a new request
     */
    public Request seed(BigInteger seed) {
        return seed(seed.toString());
    }

    /**
     * Sets the seed from decimal text. The client sends every seed as text, because many JSON parsers read numbers as float64.
     *
     * @param seed an integer from 0 to 18446744073709551615
     * @return a new request
     */
    public Request seed(String seed) {
        return with("seed", seed);
    }

    /**
     * Sets the name of the tensor. Tensors with different names have independent values.
     *
     * @param name a name, such as encoder.0.query
     * @return a new request
     */
    public Request name(String name) {
        return with("name", name);
    }

    /**
     * Sets the part of the tensor to return.
     *
     * @param slice a slice in NumPy's basic syntax, such as {@code 128:256, :}
     * @return a new request
     */
    public Request slice(String slice) {
        return with("slice", slice);
    }

    /**
     * Sets the number of inputs of each unit, instead of deriving it from the shape. For a bias, pass the fan_in of its weight.
     *
     * @param fanIn the fan_in, at least 1
     * @return a new request
     */
    public Request fanIn(long fanIn) {
        return with("fan_in", fanIn);
    }

    /**
     * Sets the number of units that each input feeds, instead of deriving it from the shape.
     *
     * @param fanOut the fan_out, at least 1
     * @return a new request
     */
    public Request fanOut(long fanOut) {
        return with("fan_out", fanOut);
    }

    /**
     * Sets the file format for {@link Client#download}. The default is the one that the file's extension selects.
     *
     * @param format npy, safetensors, npz, json or raw
     * @return a new request
     */
    public Request format(String format) {
        return with("format", format);
    }
}

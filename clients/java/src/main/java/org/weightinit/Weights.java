package org.weightinit;

import java.util.List;

/** An initialized tensor and its metadata. */
public final class Weights extends Tensor {
    private final JsonObject metadata;

    Weights(long[] shape, Elements elements, JsonObject metadata) {
        super(shape, elements);
        this.metadata = metadata;
    }

    /**
     * Returns how the tensor was initialized: scheme, formula, stddev, fan_in, fan_out, seed, recommended, warnings ...
     *
     * @return the metadata from the service
     */
    public JsonObject metadata() {
        return metadata;
    }

    /**
     * Returns the seed of the request, or the one that the service chose. The same request with this seed returns the same values.
     *
     * @return an unsigned 64-bit integer; {@link Long#toUnsignedString} formats it
     */
    public long seed() {
        return Long.parseUnsignedLong(String.valueOf(metadata.get("seed")));
    }

    /**
     * Returns the recommended scheme, regardless of the requested one.
     *
     * @return an object with scheme, formula, reason, reference ...
     */
    public JsonObject recommended() {
        return metadata.object("recommended");
    }

    /**
     * Returns the problems with the requested scheme.
     *
     * @return a sentence for each problem; usually empty
     */
    public List<String> warnings() {
        return metadata.list("warnings").stream().map(String::valueOf).toList();
    }
}

package org.weightinit;

import java.util.List;

/** An initialized tensor, and how it was made. */
public final class Weights extends Tensor {
    private final JsonObject metadata;

    Weights(long[] shape, Elements elements, JsonObject metadata) {
        super(shape, elements);
        this.metadata = metadata;
    }

    /**
     * How it was made: scheme, formula, stddev, fan_in, fan_out, seed, recommended, warnings ...
     *
     * @return what the service says
     */
    public JsonObject metadata() {
        return metadata;
    }

    /**
     * The seed: the one that was asked for, or that the service chose. The same request with it has the same values.
     *
     * @return 64 bits, unsigned: {@link Long#toUnsignedString} shows them
     */
    public long seed() {
        return Long.parseUnsignedLong(String.valueOf(metadata.get("seed")));
    }

    /**
     * The scheme that fits best, whatever was asked for.
     *
     * @return scheme, formula, reason, reference ...
     */
    public JsonObject recommended() {
        return metadata.object("recommended");
    }

    /**
     * What is a poor choice in the request.
     *
     * @return a sentence for each; often none
     */
    public List<String> warnings() {
        return metadata.list("warnings").stream().map(String::valueOf).toList();
    }
}

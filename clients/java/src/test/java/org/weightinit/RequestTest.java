package org.weightinit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RequestTest {
    @Test
    void eachMethodSetsItsField() {
        Request request = Request.of(6, 4, 3, 3).scheme("normal").activation("relu").layer("conv").groups(2).packed(3)
                .fanConvention("torch").layout("keras").axes("oikk").paddingIdx(-1).dtype("float16").seed(-1).name("fc").slice("0")
                .fanIn(5).fanOut(7).format("npy")
                .with("stddev", 0.02);
        Map<String, Object> fields = Map.ofEntries(
                Map.entry("shape", List.of(6L, 4L, 3L, 3L)), Map.entry("scheme", "normal"), Map.entry("activation", "relu"),
                Map.entry("layer", "conv"), Map.entry("groups", 2L), Map.entry("packed", 3L), Map.entry("fan_convention", "torch"),
                Map.entry("layout", "keras"), Map.entry("axes", "oikk"), Map.entry("padding_idx", -1L), Map.entry("dtype", "float16"), Map.entry("seed", "18446744073709551615"),
                Map.entry("name", "fc"), Map.entry("slice", "0"), Map.entry("fan_in", 5L), Map.entry("fan_out", 7L),
                Map.entry("format", "npy"), Map.entry("stddev", 0.02));
        assertEquals(fields, request.fields());
        assertEquals(List.of(4L, 2L), request.packed(List.of(4L, 2L)).fields().get("packed"));
    }

    @Test
    void requestsAreImmutable() {
        Request scalar = Request.of();
        assertEquals(Map.of("shape", List.of(), "seed", "7"), scalar.seed(7).fields());
        assertEquals(Map.of("shape", List.of()), scalar.fields());
        assertEquals(scalar, scalar.seed(7).with("seed", null));
        assertThrows(UnsupportedOperationException.class, () -> scalar.fields().put("seed", 7));
    }

    @Test
    void mapsBecomeJsonObjects() {
        Request request = Request.of(2).scheme(Map.of("name", "zeros")).activation(Map.of("expression", "x"));
        assertEquals("{\"name\":\"zeros\"}", Json.write(request.fields().get("scheme")));
        assertEquals("{\"expression\":\"x\"}", Json.write(request.fields().get("activation")));
    }
}

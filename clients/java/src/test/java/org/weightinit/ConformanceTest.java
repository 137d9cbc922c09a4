package org.weightinit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Tests every feature against real services. Each test has the name of the feature that it reports. */
@ExtendWith(Report.class)
class ConformanceTest {
    private static final Request LARGE = Request.of(3000, 500).activation("relu").seed(7);
    private static final Request MISSPELT = Request.of(2, 3).scheme("he_norml");
    private static final Request SMALL = Request.of(64, 64).activation("relu").seed(7);

    @TempDir
    Path folder;

    @Test
    void golden() {
        List<JsonObject> rows = Stage.rows("golden");
        assertFalse(rows.isEmpty());
        Client client = Stage.client();
        for (JsonObject row : rows) {
            JsonObject answer = row.object("answer");
            Weights weights = client.init(new Request(row.object("request")));
            assertEquals(answer.text("dtype"), weights.dtype(), row::toString);
            assertArrayEquals(toShape(answer), weights.shape(), row::toString);
            double[] first = toDoubles(answer.list("first"));
            assertArrayEquals(first, DoubleStream.of(asDoubles(weights)).limit(first.length).toArray(), row::toString);
            assertEquals(answer.text("sha256"), Digest.of(weights), row::toString);
        }
    }

    @Test
    void wide() {
        Client client = Stage.client();
        double[] exact = client.init(SMALL.dtype("float64")).doubles();
        float[] single = client.init(SMALL).floats();
        for (int i = 0; i < exact.length; i++) {
            assertEquals(single[i], exact[i], 1e-6); // the same random draws with more digits
        }
        Weights float16 = client.init(SMALL.dtype("float16"));
        assertWidened(float16, bits -> exactValue(bits, 5, 10));
        assertWidened(client.init(SMALL.dtype("bfloat16")), bits -> exactValue(bits, 8, 7));
        int[] special = {0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00};
        double[] values = {0.0, -0.0, 0x1p-24, -0x1p-24, 1023 * 0x1p-24, 0x1p-14, 65504, 1 / 0.0, -1 / 0.0};
        assertArrayEquals(values, IntStream.of(special).mapToDouble(bits -> Widening.fromFloat16((short) bits)).toArray());
        assertTrue(Float.isNaN(Widening.fromFloat16((short) 0x7e00)));
        assertTrue(assertThrows(IllegalStateException.class, float16::doubles).getMessage().contains("floats()"));
    }

    @Test
    void seed() {
        Client client = Stage.client();
        JsonObject row = Stage.rows("golden").stream()
                .filter(golden -> String.valueOf(golden.object("request").get("seed")).equals("18446744073709551615"))
                .findFirst().orElseThrow();
        Request unseeded = new Request(row.object("request")).with("seed", null);
        for (Request request : List.of(
                unseeded.seed(-1), unseeded.seed("18446744073709551615"), unseeded.seed(BigInteger.TWO.pow(64).subtract(BigInteger.ONE)))) {
            Weights weights = client.init(request);
            assertEquals(row.object("answer").text("sha256"), Digest.of(weights));
            assertEquals("18446744073709551615", Long.toUnsignedString(weights.seed()));
        }
        Weights chosen = client.init(unseeded);
        assertArrayEquals(chosen.floats(), client.init(unseeded.seed(chosen.seed())).floats());
        assertNotEquals(chosen.seed(), client.init(unseeded).seed());
    }

    @Test
    void slice() {
        float[] whole = Stage.client().init(SMALL).floats();
        Weights part = Stage.client().init(SMALL.slice("10:20, ::-3"));
        assertArrayEquals(new long[] {10, 22}, part.shape());
        for (int i = 0; i < 10; i++) {
            for (int j = 0; j < 22; j++) {
                assertEquals(whole[(10 + i) * 64 + 63 - 3 * j], part.floats()[i * 22 + j]);
            }
        }
    }

    @Test
    void advice() {
        Client client = Stage.client();
        JsonObject advice = client.recommend("relu", Map.of("fan_in", 784));
        assertEquals("he_normal", advice.text("scheme"));
        assertEquals(Math.sqrt(2.0 / 784), advice.number("stddev"), 1e-12);
        assertEquals("he_normal", client.recommend("relu").text("scheme"));
        assertEquals("gpt2_residual", client.recommend(Map.of("layer", "residual_output", "num_layers", 12)).text("scheme"));
        JsonObject formula = client.recommend(Map.of("activation", Map.of("expression", "x*tanh(softplus(x))")));
        assertEquals("variance_scaling", formula.text("scheme"));
        assertTrue(client.schemes().stream().anyMatch(row -> row.text("name").equals("he_normal")));
        assertTrue(client.activations().stream().anyMatch(row -> row.text("name").equals("relu")));
        Weights zeros = client.init(Request.of(2, 3).scheme("zeros").activation("relu"));
        assertEquals("he_normal", zeros.recommended().text("scheme"));
        assertFalse(zeros.warnings().isEmpty());
    }

    @Test
    void download() throws IOException {
        Client client = Stage.client();
        Path file = folder.resolve("any format");
        boolean rawTested = false;
        for (JsonObject row : Stage.rows("golden")) {
            Request request = new Request(row.object("request"));
            if (request.fields().get("format").equals("raw") && rawTested) {
                continue;
            }
            rawTested |= request.fields().get("format").equals("raw");
            JsonObject metadata = client.download(file, request); // replaces the previous file
            assertEquals(row.object("answer").text("file_sha256"), digestOf(file), row::toString);
            assertEquals(row.object("answer").text("dtype"), metadata.text("dtype"));
        }
        assertEquals(List.of(file), filesIn(folder));
        for (String format : List.of("npy", "safetensors", "npz", "json", "bin")) {
            Path byExtension = folder.resolve("w." + format);
            client.download(byExtension, SMALL);
            client.download(file, SMALL.format(format.equals("bin") ? "raw" : format));
            assertEquals(digestOf(file), digestOf(byExtension), format);
            Files.delete(byExtension);
        }
        assertArrayEquals(client.init(SMALL).floats(), read(client, "w.npy").floats());
        Files.delete(file);
        assertThrows(WeightInitException.class, () -> client.download(file, MISSPELT));
        assertEquals(List.of(), filesIn(folder));
        assertThrows(IOException.class, () -> client.download(folder, SMALL));
        assertThrows(IOException.class, () -> client.download(folder.resolve("missing/w.npy"), SMALL));
        assertEquals(List.of(), filesIn(folder));
    }

    @Test
    void error() {
        WeightInitException error = assertThrows(WeightInitException.class, () -> Stage.client().init(MISSPELT));
        assertEquals(422, error.status());
        assertEquals("Unprocessable Entity", error.title());
        assertTrue(error.detail().contains("Did you mean 'he_normal'"), error.detail());
        assertEquals("scheme", error.errors().get(0).field());
        assertTrue(error.errors().get(0).received().contains("he_norml"));
    }

    @Test
    void key() {
        Client.Builder keyed = Stage.builderFor("keyed_url");
        WeightInitException refused = assertThrows(WeightInitException.class, () -> keyed.build().init(SMALL));
        assertEquals(401, refused.status());
        assertArrayEquals(Stage.client().init(SMALL).floats(), keyed.apiKey(Stage.text("key")).build().init(SMALL).floats());
    }

    @Test
    void retry() {
        Client patient = Stage.builderFor("limited_url").build();
        for (int i = 0; i < 3; i++) {
            assertFalse(patient.schemes().isEmpty());
        }
        Client impatient = Stage.builderFor("limited_url").retries(0).build();
        WeightInitException refused = assertThrows(WeightInitException.class, () -> {
            for (int i = 0; i < 50; i++) {
                impatient.schemes();
            }
        });
        assertEquals(429, refused.status());
    }

    @Test
    void busy() {
        Client client = Stage.builderFor("busy_url").retries(1).build();
        WeightInitException refused = assertThrows(WeightInitException.class, () -> client.init(Request.of(100, 1000)));
        assertEquals(503, refused.status());
        assertFalse(client.schemes().isEmpty());
    }

    @Test
    void resume() throws IOException {
        float[] whole = Stage.client().init(LARGE).floats();
        Client client = Stage.builderFor("cutting_url").retries(1).build();
        assertArrayEquals(whole, client.init(LARGE).floats());
        assertArrayEquals(whole, read(client, "resumed.npy", LARGE).floats());
        Client impatient = Stage.builderFor("cutting_url").retries(0).build();
        WeightInitException broken = assertThrows(WeightInitException.class, () -> impatient.init(LARGE));
        assertEquals(0, broken.status());
        assertTrue(broken.detail().contains("broke before the response was complete"), broken.detail());
        assertThrows(WeightInitException.class, () -> impatient.download(folder.resolve("w.npy"), LARGE));
        assertEquals(List.of(), filesIn(folder));
    }

    @Test
    void timeout() {
        Client client = Stage.builderFor("hanging_url").timeout(Duration.ofMillis(500)).build();
        long start = System.nanoTime();
        WeightInitException timeout = assertThrows(WeightInitException.class, () -> client.init(SMALL));
        assertTrue(System.nanoTime() - start < 15e9);
        assertEquals(0, timeout.status());
        assertTrue(timeout.detail().startsWith("Received nothing from " + Stage.text("hanging_url") + " for 0.5 s."), timeout.detail());
    }

    @Test
    void nobody() throws IOException {
        Client closed = Stage.builderFor("closed_url").retries(0).build();
        WeightInitException unanswered = assertThrows(WeightInitException.class, () -> closed.init(SMALL));
        assertEquals(0, unanswered.status());
        assertTrue(unanswered.detail().startsWith("No service answers at " + Stage.text("closed_url")), unanswered.detail());
        Client foreign = Stage.builderFor("foreign_url").build();
        assertUnexpected(assertThrows(WeightInitException.class, () -> foreign.init(SMALL)));
        assertUnexpected(assertThrows(WeightInitException.class, () -> foreign.recommend("relu")));
        assertUnexpected(assertThrows(WeightInitException.class, foreign::schemes));
        assertUnexpected(assertThrows(WeightInitException.class, () -> foreign.download(folder.resolve("w.npy"), SMALL)));
        assertEquals(List.of(), filesIn(folder));
    }

    @Test
    void npy() throws IOException {
        for (JsonObject row : Stage.rows("npy")) {
            Path file = Path.of(row.text("file"));
            if (row.get("refused").equals(true)) {
                WeightInitException refused = assertThrows(WeightInitException.class, () -> Npy.read(file), row::toString);
                assertTrue(refused.detail().startsWith(file + ": expected "), refused.detail());
            } else {
                Tensor tensor = Npy.read(file);
                assertEquals(row.text("dtype"), tensor.dtype(), row::toString);
                assertArrayEquals(toShape(row), tensor.shape(), row::toString);
                assertArrayEquals(toDoubles(row.list("values")), asDoubles(tensor), row::toString);
            }
        }
    }

    /** Returns the value of the bits by the definition of the format. The client uses another formula. */
    private static double exactValue(int bits, int exponentBits, int fractionBits) {
        int bias = (1 << exponentBits - 1) - 1;
        int exponent = bits >> fractionBits & (1 << exponentBits) - 1;
        double fraction = (bits & (1 << fractionBits) - 1) / (double) (1 << fractionBits);
        double magnitude = exponent == 0 ? fraction * Math.pow(2, 1 - bias) : (1 + fraction) * Math.pow(2, exponent - bias);
        return (bits & 0x8000) == 0 ? magnitude : -magnitude;
    }

    private static void assertWidened(Weights weights, IntToDoubleFunction value) {
        short[] bits = weights.bits();
        double[] expected = IntStream.range(0, bits.length).mapToDouble(i -> value.applyAsDouble(bits[i] & 0xffff)).toArray();
        assertArrayEquals(expected, asDoubles(weights));
    }

    private static void assertUnexpected(WeightInitException error) {
        assertEquals(200, error.status());
        assertTrue(error.detail().contains("<!doctype html><title>Welcome"), error.detail());
        assertTrue(error.detail().endsWith("Check that this is the URL of a weight-init service."), error.detail());
    }

    private Tensor read(Client client, String name) throws IOException {
        return read(client, name, SMALL);
    }

    private Tensor read(Client client, String name, Request request) throws IOException {
        Path file = folder.resolve(name);
        client.download(file, request);
        Tensor tensor = Npy.read(file);
        Files.delete(file);
        return tensor;
    }

    private static double[] asDoubles(Tensor tensor) {
        if (tensor.dtype().equals("float64")) {
            return tensor.doubles();
        }
        float[] values = tensor.floats();
        return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
    }

    private static long[] toShape(JsonObject row) {
        return row.list("shape").stream().mapToLong(length -> (Long) length).toArray();
    }

    private static double[] toDoubles(List<?> numbers) {
        return numbers.stream().mapToDouble(number -> ((Number) number).doubleValue()).toArray();
    }

    private static String digestOf(Path file) throws IOException {
        return Digest.of(Files.readAllBytes(file));
    }

    private static List<Path> filesIn(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }
}

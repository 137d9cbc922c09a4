package org.weightinit;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLEncoder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A client of a weight-init service. Threads may share one; it keeps its connections, and needs no closing.
 *
 * <p>A service that is busy (429, 503) is asked again after the seconds that it names, and an answer that breaks is continued where it
 * broke. Every method throws {@link WeightInitException} when the service refuses the request, or no whole answer comes.
 */
public final class Client {
    private final Transport transport;

    /** A client with every default: see {@link Builder}. */
    public Client() {
        this(builder());
    }

    private Client(Builder builder) {
        transport = new Transport(builder.url, builder.apiKey, builder.timeout, builder.retries);
    }

    /**
     * A client with other settings.
     *
     * @return what they are given to
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * An initialized tensor, whose bytes go straight into its array.
     *
     * @param request what to ask for; its format is left out of account
     * @return the tensor, of at most 2<sup>31</sup> - 9 elements: take slices of a larger one, or {@link #download} it
     * @throws WeightInitException if the service refuses the request, or no whole answer comes
     */
    public Weights init(Request request) {
        var incoming = new IncomingWeights();
        transport.fetch(init(request.format("raw").fields()), incoming);
        return incoming.weights();
    }

    /**
     * Write an initialized tensor to a file, however large, in constant memory. The file appears under its name when it is whole; on an
     * error nothing is left behind.
     *
     * @param path the file; its extension is the format (.npy, .safetensors, .npz, .json; .bin is raw) unless the request has one
     * @param request what to ask for
     * @return the metadata, as {@link Weights#metadata}
     * @throws IOException if the file cannot be written
     * @throws WeightInitException if the service refuses the request, or no whole answer comes
     */
    public JsonObject download(Path path, Request request) throws IOException {
        Request complete = request.fields().containsKey("format") ? request : request.format(formatOf(path));
        try (var incoming = new IncomingFile(path)) {
            transport.fetch(init(complete.fields()), incoming);
            return incoming.keep();
        } catch (UncheckedIOException failure) {
            throw failure.getCause();
        }
    }

    /**
     * The scheme that fits an activation, with its reason, reference and alternatives.
     *
     * @param activation the name of an activation
     * @return scheme, formula, gain, bias, reason, reference ...
     * @throws WeightInitException if the service refuses the request, or no whole answer comes
     */
    public JsonObject recommend(String activation) {
        return recommend(activation, Map.of());
    }

    /**
     * The same, with the fans (and then with stddev and bound), a distribution, or the parameters of the activation.
     *
     * @param activation the name of an activation
     * @param fields such as {@code Map.of("fan_in", 784)}
     * @return scheme, formula, stddev, bound, gain, bias, reason, reference ...
     * @throws WeightInitException if the service refuses the request, or no whole answer comes
     */
    public JsonObject recommend(String activation, Map<String, ?> fields) {
        var complete = new LinkedHashMap<String, Object>(fields);
        complete.put("activation", activation);
        return recommend(complete);
    }

    /**
     * The same, of a layer's place in the network, or of an activation that is a formula.
     *
     * @param fields such as {@code Map.of("layer", "residual_output", "num_layers", 12)}
     * @return scheme, formula, reason, reference ...
     * @throws WeightInitException if the service refuses the request, or no whole answer comes
     */
    public JsonObject recommend(Map<String, ?> fields) {
        String query = fields.entrySet().stream()
                .map(field -> encoded(field.getKey()) + "=" + encoded(Json.text(field.getValue())))
                .collect(Collectors.joining("&"));
        return get("/recommend?" + query).object();
    }

    /**
     * Every scheme: its names, parameters, formula and reference.
     *
     * @return a row for each
     * @throws WeightInitException if no whole answer comes
     */
    public List<JsonObject> schemes() {
        return get("/schemes").rows("schemes");
    }

    /**
     * Every activation: its names, parameters, gains and recommended scheme.
     *
     * @return a row for each
     * @throws WeightInitException if no whole answer comes
     */
    public List<JsonObject> activations() {
        return get("/activations").rows("activations");
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, UTF_8);
    }

    private IncomingText get(String path) {
        var incoming = new IncomingText();
        transport.fetch(new Call(path, null), incoming);
        return incoming;
    }

    private static Call init(Map<String, Object> fields) {
        return new Call("/init", Json.write(fields));
    }

    /** The service knows which formats there are; without an extension it chooses one. */
    private static String formatOf(Path path) {
        String name = String.valueOf(path.getFileName());
        int dot = name.lastIndexOf('.');
        String extension = dot < 1 ? null : name.substring(dot + 1);
        return "bin".equals(extension) ? "raw" : extension;
    }

    /** The settings of a client. */
    public static final class Builder {
        private String url = fromEnvironment("WEIGHT_INIT_URL", "http://127.0.0.1:8000");
        private String apiKey = fromEnvironment("WEIGHT_INIT_API_KEY", null);
        private Duration timeout = Duration.ofSeconds(30);
        private int retries = 4;

        private Builder() {}

        /**
         * Where the service is.
         *
         * @param url by default that of the environment variable WEIGHT_INIT_URL, else http://127.0.0.1:8000
         * @return this
         */
        public Builder url(String url) {
            this.url = url;
            return this;
        }

        /**
         * The key of a service that asks for one.
         *
         * @param apiKey by default that of the environment variable WEIGHT_INIT_API_KEY; null for none
         * @return this
         */
        public Builder apiKey(String apiKey) {
            this.apiKey = apiKey;
            return this;
        }

        /**
         * The longest wait for an answer to begin, and then for each part of it. All of it may take longer.
         *
         * @param timeout by default 30 seconds
         * @return this
         */
        public Builder timeout(Duration timeout) {
            this.timeout = timeout;
            return this;
        }

        /**
         * How often a service that is busy, or a connection that breaks, is tried again. Bytes that arrive in between begin the count anew.
         *
         * @param retries times in a row; by default 4
         * @return this
         */
        public Builder retries(int retries) {
            this.retries = retries;
            return this;
        }

        /**
         * The client; it connects when it is first used.
         *
         * @return a client
         * @throws IllegalArgumentException if the URL is not one of HTTP, the timeout not positive, or the retries negative
         */
        public Client build() {
            return new Client(this);
        }

        private static String fromEnvironment(String name, String otherwise) {
            String value = System.getenv(name);
            return value == null || value.isBlank() ? otherwise : value;
        }
    }
}

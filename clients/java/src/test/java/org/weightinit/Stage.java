package org.weightinit;

import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** The real services that the tests use, each in a different state. */
final class Stage {
    private static final JsonObject CONTENT = read();

    private Stage() {}

    static String text(String name) {
        return CONTENT.text(name);
    }

    static List<JsonObject> rows(String name) {
        return CONTENT.list(name).stream().map(JsonObject.class::cast).toList();
    }

    static Client client() {
        return builderFor("url").build();
    }

    static Client.Builder builderFor(String name) {
        return Client.builder().url(text(name)).apiKey(null).timeout(Duration.ofSeconds(60));
    }

    private static JsonObject read() {
        String file = System.getenv("WEIGHT_INIT_STAGE");
        if (file == null) {
            return fail("WEIGHT_INIT_STAGE: expected the path of the stage file; received nothing. Run `make test-clients`.");
        }
        try {
            return Json.objectOrNull(Files.readString(Path.of(file)));
        } catch (IOException unreadable) {
            return fail("WEIGHT_INIT_STAGE: " + unreadable, unreadable);
        }
    }
}

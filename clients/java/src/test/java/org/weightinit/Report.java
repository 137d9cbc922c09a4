package org.weightinit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestWatcher;

/** Writes the name of each test that has passed, a line each, to the file that WEIGHT_INIT_REPORT names. */
final class Report implements TestWatcher {
    @Override
    public void testSuccessful(ExtensionContext context) {
        String file = System.getenv("WEIGHT_INIT_REPORT");
        if (file == null) {
            return;
        }
        try {
            String line = context.getRequiredTestMethod().getName() + "\n";
            Files.writeString(Path.of(file), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }
}

package org.weightinit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.Test;

class JsonTest {
    @Test
    void readsEveryTypeOfValue() {
        JsonObject object = Json.objectOrNull(" { \"a\" : [ 1 , -2.5e-3, true,false , null ] ,\"b\":{}, \"c\":[] } ");
        assertEquals(Arrays.asList(1L, -0.0025, true, false, null), object.get("a"));
        assertTrue(object.object("b").isEmpty());
        assertEquals(List.of(), object.list("c"));
    }

    @Test
    void integersKeepEveryDigit() {
        assertEquals(9007199254740993L, Json.read("9007199254740993"));
        assertEquals(new BigInteger("18446744073709551615"), Json.read("18446744073709551615"));
        assertEquals("18446744073709551615", Json.write(new BigInteger("18446744073709551615")));
    }

    @Test
    void escapesAndUnescapesText() {
        String text = "\"\\ / \b\f\n\r\t\u0001 σ² 𝄞";
        assertEquals(text, Json.read(Json.write(text)));
        assertEquals("/é𝄞", Json.read("\"\\/\\u00e9\\ud834\\udd1e\""));
    }

    @Test
    void writesWhatItReads() {
        String text = "{\"shape\":[2,3],\"scheme\":{\"name\":\"normal\",\"stddev\":0.02},\"corrected\":true,\"gain\":null}";
        assertEquals(text, Json.write(Json.read(text)));
        assertEquals("[0.02,0.02]", Json.write(List.of(0.02f, 0.02)));
    }

    @Test
    void rejectsInvalidJson() {
        List<String> texts = List.of(
                "", " ", "{", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "01", "1.", "+1", "NaN", "tru", "\"", "\"\\x\"", "\"\\u12\"",
                "\"\n\"", "1 1", "<!doctype html>", "[".repeat(100_000));
        for (String text : texts) {
            assertThrows(IllegalArgumentException.class, () -> Json.read(text), text);
            assertNull(Json.objectOrNull(text));
        }
    }

    @Test
    void rejectsValuesThatJsonCannotRepresent() {
        for (Object value : List.of(Double.NaN, Float.POSITIVE_INFINITY, new long[] {1}, new Object())) {
            assertThrows(IllegalArgumentException.class, () -> Json.write(Collections.singletonList(value)));
        }
    }

    @Test
    void namesAMissingMember() {
        JsonObject object = Json.objectOrNull("{\"scheme\":\"zeros\",\"stddev\":null}");
        assertEquals("zeros", object.text("scheme"));
        var missing = assertThrows(NoSuchElementException.class, () -> object.number("stddev"));
        assertEquals("stddev: expected a Number; received null.", missing.getMessage());
    }
}

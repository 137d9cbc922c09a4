package org.weightinit;

/** Converts 16 bits to the float32 of exactly the same value. */
@FunctionalInterface
interface Widening {
    float widen(short bits);

    /** A bfloat16 is the upper half of a float32. */
    static float fromBfloat16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** A float16 has 5 bits of exponent, biased by 15, and 10 of fraction. */
    static float fromFloat16(short bits) {
        int sign = (bits & 0x8000) << 16;
        int exponent = bits >> 10 & 0x1f;
        int fraction = bits & 0x3ff;
        int magnitude = switch (exponent) {
            case 0 -> Float.floatToRawIntBits(fraction * 0x1p-24f); // zero, or subnormal in float16 but not in float32
            case 0x1f -> 0xff << 23 | fraction << 13; // infinity or NaN
            default -> exponent - 15 + 127 << 23 | fraction << 13;
        };
        return Float.intBitsToFloat(sign | magnitude);
    }
}

# Decodes bytes into numbers. R has no 16-bit floats: their bits are read as integers, and widened to doubles here.

decode_elements <- function(bytes, dtype, endian = "little") {
  size <- item_bytes[[dtype]]
  count <- length(bytes) / size
  if (size == 2) {
    return(readBin(bytes, "integer", count, size = 2, signed = FALSE, endian = endian))
  }
  readBin(bytes, "double", count, size = size, endian = endian)
}

widen <- function(bits, dtype) {
  w <- values_of_bits[[dtype]][bits + 1L]
  dim(w) <- dim(bits)
  w
}

float16_values <- function(bits) {
  exponent <- bits %/% 1024 %% 32
  fraction <- bits %% 1024
  magnitude <- ifelse(exponent == 0, fraction * 2^-24, (1024 + fraction) * 2^(exponent - 25))
  magnitude[exponent == 31] <- ifelse(fraction[exponent == 31] == 0, Inf, NaN)
  ifelse(bits < 32768, magnitude, -magnitude)
}

# A bfloat16 is the upper half of a float32.
bfloat16_values <- function(bits) {
  upper <- matrix(writeBin(bits, raw(), size = 2, endian = "little"), nrow = 2)
  lower <- matrix(raw(1), nrow = 2, ncol = length(bits))
  readBin(as.vector(rbind(lower, upper)), "double", length(bits), size = 4, endian = "little")
}

# Tables of all 65536 values, computed when the package is built. A lookup is several times as fast as the arithmetic.
values_of_bits <- list(float16 = float16_values(0:65535), bfloat16 = bfloat16_values(0:65535))

package weightinit

import (
	"fmt"
	"math"
)

// DType is the element type of a tensor.
type DType string

// The element types that the service supports.
const (
	Float32  DType = "float32"
	Float64  DType = "float64"
	Float16  DType = "float16"
	BFloat16 DType = "bfloat16"
)

// size returns the size of an element in bytes, or 0 for an unknown type.
func (d DType) size() int {
	return map[DType]int{Float32: 4, Float64: 8, Float16: 2, BFloat16: 2}[d]
}

// Tensor is a tensor in C order: element (i, j) of a tensor of shape [m, n] is at index i*n + j.
type Tensor struct {
	Shape []int
	DType DType
	// Metadata describes how the tensor was initialized. It is nil for a tensor from a .npy file.
	Metadata *Metadata

	float32s []float32
	float64s []float64
	bits     []uint16
}

// Seed returns the seed that reproduces the values, or 0 for a tensor from a .npy file.
func (t *Tensor) Seed() uint64 {
	if t.Metadata == nil {
		return 0
	}
	return t.Metadata.Seed
}

// Float32 returns the values as float32. For a float32 tensor it returns the underlying slice, which the caller may modify. For other types
// it returns a new slice: float16 and bfloat16 convert exactly, float64 is rounded.
func (t *Tensor) Float32() []float32 {
	switch t.DType {
	case Float64:
		return convert(t.float64s, func(value float64) float32 { return float32(value) })
	case Float16:
		return convert(t.bits, fromFloat16)
	case BFloat16:
		return convert(t.bits, fromBFloat16)
	}
	return t.float32s
}

// Float64 returns the values as float64. For a float64 tensor it returns the underlying slice, which the caller may modify. For other types
// it returns a new slice with the exact values.
func (t *Tensor) Float64() []float64 {
	if t.DType == Float64 {
		return t.float64s
	}
	return convert(t.Float32(), func(value float32) float64 { return float64(value) })
}

// Bits returns the underlying slice of bits of a float16 or bfloat16 tensor, or nil for other types.
func (t *Tensor) Bits() []uint16 {
	return t.bits
}

func convert[From, To any](values []From, f func(From) To) []To {
	result := make([]To, len(values))
	for i, value := range values {
		result[i] = f(value)
	}
	return result
}

func fromFloat16(bits uint16) float32 {
	sign, exponent, fraction := uint32(bits&0x8000)<<16, uint32(bits>>10&0x1f), uint32(bits&0x3ff)
	switch exponent {
	case 0: // zero or subnormal: a multiple of the smallest subnormal
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// fromBFloat16 converts a bfloat16, which is the upper half of a float32.
func fromBFloat16(bits uint16) float32 {
	return math.Float32frombits(uint32(bits) << 16)
}

// newTensor returns a tensor of zeros and its memory. The caller must have checked the shape with sizeOf.
func newTensor(dtype DType, shape []int) (*Tensor, []byte) {
	tensor := &Tensor{Shape: shape, DType: dtype}
	count := 1
	for _, length := range shape {
		count *= length
	}
	switch dtype {
	case Float32:
		tensor.float32s = make([]float32, count)
		return tensor, bytesOf(tensor.float32s)
	case Float64:
		tensor.float64s = make([]float64, count)
		return tensor, bytesOf(tensor.float64s)
	}
	tensor.bits = make([]uint16, count)
	return tensor, bytesOf(tensor.bits)
}

// sizeOf returns the size of a tensor in bytes. It rejects an unknown dtype, a negative dimension and a size that overflows an int.
func sizeOf(dtype DType, shape []int) (int, error) {
	size := dtype.size()
	if size == 0 {
		return 0, fmt.Errorf("the dtype %q", string(dtype))
	}
	for _, length := range shape {
		if length < 0 || (length > 0 && size > math.MaxInt/length) {
			return 0, fmt.Errorf("the shape %v", shape)
		}
		size *= length
	}
	return size, nil
}

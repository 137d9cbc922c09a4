package weightinit

import (
	"fmt"
	"math"
)

// DType is the type of a tensor's elements.
type DType string

// The types that the service has.
const (
	Float32  DType = "float32"
	Float64  DType = "float64"
	Float16  DType = "float16"
	BFloat16 DType = "bfloat16"
)

// size is that of an element in bytes; 0 of an unknown type.
func (d DType) size() int {
	return map[DType]int{Float32: 4, Float64: 8, Float16: 2, BFloat16: 2}[d]
}

// Tensor is values in C order: the element i, j of shape [m, n] is at i*n + j.
type Tensor struct {
	Shape []int
	DType DType
	// Metadata is how it was made; nil of a tensor from a .npy file.
	Metadata *Metadata

	float32s []float32
	float64s []float64
	bits     []uint16
}

// Seed is the one that gives the same values again; 0 of a tensor from a .npy file.
func (t *Tensor) Seed() uint64 {
	if t.Metadata == nil {
		return 0
	}
	return t.Metadata.Seed
}

// Float32 is the values: those of a float32 tensor themselves, to write to as well. Of other types it is a new slice at each call: float16
// and bfloat16 without a change, float64 rounded.
func (t *Tensor) Float32() []float32 {
	switch t.DType {
	case Float64:
		return converted(t.float64s, func(value float64) float32 { return float32(value) })
	case Float16:
		return converted(t.bits, fromFloat16)
	case BFloat16:
		return converted(t.bits, fromBFloat16)
	}
	return t.float32s
}

// Float64 is the values: those of a float64 tensor themselves, to write to as well. Of other types it is a new slice at each call, of the
// same values.
func (t *Tensor) Float64() []float64 {
	if t.DType == Float64 {
		return t.float64s
	}
	return converted(t.Float32(), func(value float32) float64 { return float64(value) })
}

// Bits is the elements of a float16 or bfloat16 tensor as they are; nil of other types.
func (t *Tensor) Bits() []uint16 {
	return t.bits
}

func converted[From, To any](values []From, convert func(From) To) []To {
	result := make([]To, len(values))
	for i, value := range values {
		result[i] = convert(value)
	}
	return result
}

func fromFloat16(bits uint16) float32 {
	sign, exponent, fraction := uint32(bits&0x8000)<<16, uint32(bits>>10&0x1f), uint32(bits&0x3ff)
	switch exponent {
	case 0: // zero and the subnormals: so many times the least of them
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 0x1f: // infinity, or no number
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// fromBFloat16: a bfloat16 is the upper half of a float32.
func fromBFloat16(bits uint16) float32 {
	return math.Float32frombits(uint32(bits) << 16)
}

// newTensor returns a tensor of zeros, and its memory, of the size that sizeOf says.
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

// sizeOf is the bytes of a tensor. It refuses what no tensor has, and what no memory holds.
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

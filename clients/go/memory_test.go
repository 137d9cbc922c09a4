package weightinit

import (
	"encoding/binary"
	"math"
	"reflect"
	"testing"
)

func TestToHostOrder(t *testing.T) {
	defer func(order bool) { hostIsLittleEndian = order }(hostIsLittleEndian)
	var here binary.ByteOrder = binary.LittleEndian
	other := binary.ByteOrder(binary.BigEndian)
	if !hostIsLittleEndian {
		here, other = other, here
	}
	values := []float64{1.5, -2.25, 0x1p-1074}
	for _, test := range []struct {
		littleEndian bool
		order        binary.ByteOrder
	}{
		{true, binary.LittleEndian},
		{false, binary.BigEndian},
	} {
		memory := encode(test.order, values)
		toHostOrder(memory, 8, test.littleEndian)
		if !reflect.DeepEqual(memory, encode(here, values)) {
			t.Errorf("%v: % x", test.order, memory)
		}
	}
	hostIsLittleEndian = !hostIsLittleEndian // simulate a machine with the other byte order
	memory := encode(binary.LittleEndian, values)
	toHostOrder(memory, 8, true)
	if !reflect.DeepEqual(memory, encode(other, values)) {
		t.Errorf("% x", memory)
	}
}

func encode(order binary.ByteOrder, values []float64) []byte {
	memory := make([]byte, 0, 8*len(values))
	for _, value := range values {
		memory = order.(binary.AppendByteOrder).AppendUint64(memory, math.Float64bits(value))
	}
	return memory
}

func TestNewTensorReturnsTheMemoryOfItsValues(t *testing.T) {
	for _, dtype := range []DType{Float32, Float64, Float16, BFloat16} {
		tensor, memory := newTensor(dtype, []int{2, 3})
		if size, err := sizeOf(dtype, tensor.Shape); err != nil || size != len(memory) {
			t.Errorf("%s: expected %d bytes of memory; received %d", dtype, size, len(memory))
		}
		for i := range memory {
			memory[i] = 0xff
		}
		if last := tensor.Float64()[5]; !math.IsNaN(last) {
			t.Errorf("%s: %v", dtype, last)
		}
	}
	if empty, memory := newTensor(Float32, []int{0, 3}); len(memory) != 0 || len(empty.Float64()) != 0 {
		t.Errorf("%v", empty)
	}
}

func TestFromFloat16ConvertsEveryValue(t *testing.T) {
	for bits := 0; bits <= math.MaxUint16; bits++ {
		exponent, fraction := bits>>10&0x1f, bits&0x3ff
		expected := math.Ldexp(float64(1024+fraction), exponent-25)
		switch {
		case exponent == 0:
			expected = math.Ldexp(float64(fraction), -24)
		case exponent == 0x1f && fraction == 0:
			expected = math.Inf(1)
		case exponent == 0x1f:
			expected = math.NaN()
		}
		value := fromFloat16(uint16(bits))
		same := float64(value) == math.Copysign(expected, float64(value)) || math.IsNaN(expected) && value != value
		if !same || math.Float32bits(value)>>31 != uint32(bits>>15) {
			t.Fatalf("%#04x: %v", bits, value)
		}
	}
}

func TestConvertsKnownBitPatterns(t *testing.T) {
	for bits, expected := range map[uint16]float64{
		0x0001: 0x1p-24, 0x8001: -0x1p-24, 0x03ff: 0x1.ff8p-15, 0x0400: 0x1p-14, 0x3c00: 1, 0x7bff: 65504,
		0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		if value := fromFloat16(bits); float64(value) != expected {
			t.Errorf("float16 %#04x: %v", bits, value)
		}
	}
	if value := fromFloat16(0x7e00); value == value {
		t.Errorf("float16 0x7e00: %v", value)
	}
	for bits, expected := range map[uint16]float64{0x0001: 0x1p-133, 0x8001: -0x1p-133, 0x3f80: 1, 0x7f80: math.Inf(1), 0xff80: math.Inf(-1)} {
		if value := fromBFloat16(bits); float64(value) != expected {
			t.Errorf("bfloat16 %#04x: %v", bits, value)
		}
	}
	if value := fromBFloat16(0x7fc0); value == value {
		t.Errorf("bfloat16 0x7fc0: %v", value)
	}
}

func TestSizeOfRejectsImpossibleShapes(t *testing.T) {
	for _, shape := range [][]int{{-1}, {math.MaxInt}, {math.MaxInt / 4, 2}, {1 << 16, 1 << 16, 1 << 16, 1 << 16}} {
		if size, err := sizeOf(Float32, shape); err == nil {
			t.Errorf("%v: %d bytes", shape, size)
		}
	}
	if _, err := sizeOf("int8", []int{1}); err == nil {
		t.Error("accepted int8")
	}
	if size, err := sizeOf(Float64, []int{}); size != 8 || err != nil {
		t.Errorf("a scalar: %d bytes, %v", size, err)
	}
}

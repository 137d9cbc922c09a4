package weightinit

import "unsafe"

// element is the type of a stored tensor element. A uint16 holds the bits of a float16 or bfloat16.
type element interface {
	float32 | float64 | uint16
}

// hostIsLittleEndian reports whether this machine is little-endian, the byte order of a response.
var hostIsLittleEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}()

// bytesOf returns the memory of values, not a copy.
func bytesOf[T element](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*int(unsafe.Sizeof(values[0])))
}

// toHostOrder converts elements of size bytes to the byte order of this machine, in place.
func toHostOrder(memory []byte, size int, littleEndian bool) {
	if littleEndian == hostIsLittleEndian {
		return
	}
	for ; len(memory) > 0; memory = memory[size:] {
		for low, high := 0, size-1; low < high; low, high = low+1, high-1 {
			memory[low], memory[high] = memory[high], memory[low]
		}
	}
}

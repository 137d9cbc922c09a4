package weightinit

import "unsafe"

// element is what a tensor holds.
type element interface {
	float32 | float64 | uint16
}

// littleEndian is whether this machine holds numbers as they travel: the lowest byte first.
var littleEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}()

// bytesOf is the memory of values, not a copy: what is read into it is in the values.
func bytesOf[T element](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*int(unsafe.Sizeof(values[0])))
}

// toHost puts elements of so many bytes, which came with the lowest or the highest byte first, into the order of this machine, in place.
func toHost(memory []byte, size int, lowestFirst bool) {
	if lowestFirst == littleEndian {
		return
	}
	for ; len(memory) > 0; memory = memory[size:] {
		for low, high := 0, size-1; low < high; low, high = low+1, high-1 {
			memory[low], memory[high] = memory[high], memory[low]
		}
	}
}

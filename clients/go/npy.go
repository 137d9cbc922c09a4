package weightinit

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

const npyMagic = "\x93NUMPY"

var (
	npyDescr   = regexp.MustCompile(`['"]descr['"]\s*:\s*['"]([<>=|]?)(f[248])['"]`)
	npyFortran = regexp.MustCompile(`['"]fortran_order['"]\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`['"]shape['"]\s*:\s*\(([\d\s,L]*)\)`) // NumPy on Python 2 wrote 2L
	npyDTypes  = map[string]DType{"f2": Float16, "f4": Float32, "f8": Float64}
)

// npyHeader is the parsed header of a .npy file.
type npyHeader struct {
	dtype        DType
	shape        []int
	size         int // bytes of the values
	littleEndian bool
	fortran      bool
}

// ReadNPYFile reads a .npy file; see ReadNPY. File-system errors are those of package os.
func ReadNPYFile(path string) (*Tensor, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // for example a pipe, whose size is unknown
		return ReadNPY(file)
	}
	return readNPY(file, info.Size())
}

// ReadNPY reads an array of float32, float64 or float16 in NumPy's .npy format, versions 1 to 3, in C or Fortran order and either byte
// order. The returned values are in C order. It does not read beyond the end of the array. It returns an *Error for any other format.
func ReadNPY(source io.Reader) (*Tensor, error) {
	return readNPY(source, math.MaxInt64)
}

// readNPY rejects a header that announces more than the available bytes, so that a corrupt file cannot exhaust the memory.
func readNPY(source io.Reader, available int64) (*Tensor, error) {
	text, err := readNPYHeader(source)
	if err != nil {
		return nil, err
	}
	header, err := parseNPYHeader(text)
	if err != nil {
		return nil, err
	}
	if int64(header.size) > available {
		expected, received := fmt.Sprintf("%d bytes of values", header.size), fmt.Sprintf("a file of %d bytes", available)
		return nil, unreadableFile(expected, received, io.ErrUnexpectedEOF)
	}
	tensor, memory := newTensor(header.dtype, header.shape)
	if n, err := io.ReadFull(source, memory); err != nil {
		return nil, unreadableFile(fmt.Sprintf("%d bytes of values", header.size), fmt.Sprintf("%d (%v)", n, err), err)
	}
	toHostOrder(memory, header.dtype.size(), header.littleEndian)
	if header.fortran {
		tensor.float32s = toCOrder(tensor.float32s, tensor.Shape)
		tensor.float64s = toCOrder(tensor.float64s, tensor.Shape)
		tensor.bits = toCOrder(tensor.bits, tensor.Shape)
	}
	return tensor, nil
}

func readNPYHeader(source io.Reader) (string, error) {
	start := make([]byte, len(npyMagic)+2)
	n, err := io.ReadFull(source, start)
	if err != nil || string(start[:len(npyMagic)]) != npyMagic {
		return "", unreadableFile("a .npy file", excerpt(start[:n]), err)
	}
	var length uint32
	switch version := start[len(npyMagic)]; version {
	case 1:
		var short uint16
		err = binary.Read(source, binary.LittleEndian, &short)
		length = uint32(short)
	case 2, 3:
		err = binary.Read(source, binary.LittleEndian, &length)
	default:
		return "", unreadableFile("version 1, 2 or 3 of the .npy format", strconv.Itoa(int(version)), nil)
	}
	var text strings.Builder
	if err == nil {
		_, err = io.CopyN(&text, source, int64(length))
	}
	if err != nil {
		return "", unreadableFile("a complete .npy header", fmt.Sprintf("only a part of it (%v)", err), err)
	}
	return text.String(), nil
}

func parseNPYHeader(text string) (*npyHeader, error) {
	descr := npyDescr.FindStringSubmatch(text)
	fortran := npyFortran.FindStringSubmatch(text)
	shape := npyShape.FindStringSubmatch(text)
	if descr == nil || fortran == nil || shape == nil {
		return nil, unreadableFile("an array of float32, float64 or float16", strings.TrimSpace(text), nil)
	}
	header := &npyHeader{dtype: npyDTypes[descr[2]], shape: []int{}, littleEndian: isLittleEndian(descr[1]), fortran: fortran[1] == "True"}
	var err error
	for _, field := range strings.Fields(strings.ReplaceAll(strings.ReplaceAll(shape[1], ",", " "), "L", "")) {
		var length int
		if length, err = strconv.Atoi(field); err != nil {
			break
		}
		header.shape = append(header.shape, length)
	}
	if err == nil {
		header.size, err = sizeOf(header.dtype, header.shape)
	}
	if err != nil {
		return nil, unreadableFile("a shape that fits in memory", fmt.Sprintf("(%s)", shape[1]), err)
	}
	return header, nil
}

// isLittleEndian returns whether values are in little-endian order, given the first character of their descr. Without < or > they are in
// the order of the machine.
func isLittleEndian(order string) bool {
	return order == "<" || (order != ">" && hostIsLittleEndian)
}

// toCOrder returns a copy of values in Fortran order, rearranged into C order.
func toCOrder[T element](values []T, shape []int) []T {
	if len(values) == 0 {
		return values
	}
	strides := make([]int, len(shape))
	stride := 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		strides[axis] = stride
		stride *= shape[axis]
	}
	result := make([]T, len(values))
	index := make([]int, len(shape))
	offset := 0
	for _, value := range values {
		result[offset] = value
		for axis := range index {
			offset += strides[axis]
			if index[axis]++; index[axis] < shape[axis] {
				break
			}
			offset -= strides[axis] * shape[axis]
			index[axis] = 0
		}
	}
	return result
}

func unreadableFile(expected, received string, cause error) *Error {
	detail := fmt.Sprintf("Expected %s; received %s. Check that the file is complete and that numpy.save wrote it.", expected, received)
	return &Error{Title: "Unreadable File", Detail: detail, cause: cause}
}

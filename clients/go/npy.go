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
	npyDescr   = regexp.MustCompile(`['"]descr['"]\s*:\s*['"]([<>])(f[248])['"]`)
	npyFortran = regexp.MustCompile(`['"]fortran_order['"]\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`['"]shape['"]\s*:\s*\(([\d\s,]*)\)`)
	npyDTypes  = map[string]DType{"f2": Float16, "f4": Float32, "f8": Float64}
)

// npyHeader is what a file says of its values.
type npyHeader struct {
	dtype       DType
	shape       []int
	size        int // bytes of the values
	lowestFirst bool
	fortran     bool
}

// ReadNPYFile reads a file in NumPy's format: see ReadNPY. Errors of the file system are those of package os.
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
	if !info.Mode().IsRegular() { // a pipe does not know how much comes
		return ReadNPY(file)
	}
	return readNPY(file, info.Size())
}

// ReadNPY reads an array in NumPy's format, of the versions 1 to 3, in C or Fortran order and either order of bytes: float32, float64 or
// float16. The values are in C order. It reads no further than the end of the array, and returns an *Error for anything else.
func ReadNPY(source io.Reader) (*Tensor, error) {
	return readNPY(source, math.MaxInt64)
}

// readNPY believes no header that announces more than the bytes there are, so that a broken one does not exhaust the memory.
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
		return nil, unreadable(fmt.Sprintf("%d bytes of values", header.size), fmt.Sprintf("a file of %d", available), io.ErrUnexpectedEOF)
	}
	tensor, memory := newTensor(header.dtype, header.shape)
	if n, err := io.ReadFull(source, memory); err != nil {
		return nil, unreadable(fmt.Sprintf("%d bytes of values", header.size), fmt.Sprintf("%d (%v)", n, err), err)
	}
	toHost(memory, header.dtype.size(), header.lowestFirst)
	if header.fortran {
		tensor.float32s = inCOrder(tensor.float32s, tensor.Shape)
		tensor.float64s = inCOrder(tensor.float64s, tensor.Shape)
		tensor.bits = inCOrder(tensor.bits, tensor.Shape)
	}
	return tensor, nil
}

func readNPYHeader(source io.Reader) (string, error) {
	start := make([]byte, len(npyMagic)+2)
	n, err := io.ReadFull(source, start)
	if err != nil || string(start[:len(npyMagic)]) != npyMagic {
		return "", unreadable("a file in NumPy's format", beginning(start[:n]), err)
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
		return "", unreadable("version 1, 2 or 3 of NumPy's format", strconv.Itoa(int(version)), nil)
	}
	var text strings.Builder
	if err == nil {
		_, err = io.CopyN(&text, source, int64(length))
	}
	if err != nil {
		return "", unreadable("a whole header of NumPy's format", fmt.Sprintf("a part of it (%v)", err), err)
	}
	return text.String(), nil
}

func parseNPYHeader(text string) (*npyHeader, error) {
	descr := npyDescr.FindStringSubmatch(text)
	fortran := npyFortran.FindStringSubmatch(text)
	shape := npyShape.FindStringSubmatch(text)
	if descr == nil || fortran == nil || shape == nil {
		return nil, unreadable("an array of float32, float64 or float16", strings.TrimSpace(text), nil)
	}
	header := &npyHeader{dtype: npyDTypes[descr[2]], shape: []int{}, lowestFirst: descr[1] == "<", fortran: fortran[1] == "True"}
	var err error
	for _, field := range strings.Fields(strings.ReplaceAll(shape[1], ",", " ")) {
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
		return nil, unreadable("a shape that memory can hold", fmt.Sprintf("(%s)", shape[1]), err)
	}
	return header, nil
}

// inCOrder is values of which the first axis runs fastest, with the last one so.
func inCOrder[T element](values []T, shape []int) []T {
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
	place := 0
	for _, value := range values {
		result[place] = value
		for axis := range index {
			place += strides[axis]
			if index[axis]++; index[axis] < shape[axis] {
				break
			}
			place -= strides[axis] * shape[axis]
			index[axis] = 0
		}
	}
	return result
}

func unreadable(expected, received string, cause error) *Error {
	detail := fmt.Sprintf("Expected %s; received %s. Is the file whole, and one that numpy.save wrote?", expected, received)
	return &Error{Title: "Unreadable File", Detail: detail, cause: cause}
}

package quest

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"questhost/quest/internal/bindings/quest_host_types"
)

// Values of Go as the contract's and back, by their types. Nothing here knows of quests.

const depthMax = 64

// lower gives a value of Go as one of the contract.
func lower(value any) (quest_host_types.Value, error) {
	of := inner(reflect.ValueOf(value))
	if !of.IsValid() {
		return quest_host_types.MakeValueNull(), nil
	}
	switch of.Kind() {
	case reflect.Bool:
		return quest_host_types.MakeValueBoolean(of.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return quest_host_types.MakeValueInteger(of.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		whole, err := signed(of.Uint())
		return quest_host_types.MakeValueInteger(whole), err
	case reflect.Float32, reflect.Float64:
		return quest_host_types.MakeValueNumber(of.Float()), nil
	case reflect.String:
		return quest_host_types.MakeValueText(of.String()), utf8Only(of.String())
	}
	if isBytes(of.Type()) {
		return quest_host_types.MakeValueBinary(bytesOf(of)), nil
	}
	packed, err := pack(nil, of, 1)
	return quest_host_types.MakeValueStructure(packed), err
}

// inner goes through pointers and interfaces; what is nil is not valid.
func inner(of reflect.Value) reflect.Value {
	for of.IsValid() && (of.Kind() == reflect.Pointer || of.Kind() == reflect.Interface) {
		of = of.Elem()
	}
	return of
}

func invalid(format string, args ...any) error {
	return Fail("invalid-value", fmt.Sprintf(format, args...))
}

func signed(value uint64) (int64, error) {
	if value > math.MaxInt64 {
		return 0, invalid("%d is past the integers that a value can hold (64 bits with a sign); keep it as text", value)
	}
	return int64(value), nil
}

func utf8Only(text string) error {
	if !utf8.ValidString(text) {
		return invalid("the text %q is not UTF-8: bytes are a []byte", text)
	}
	return nil
}

func isBytes(of reflect.Type) bool {
	return (of.Kind() == reflect.Slice || of.Kind() == reflect.Array) && of.Elem().Kind() == reflect.Uint8
}

func bytesOf(of reflect.Value) []byte {
	if of.Kind() == reflect.Slice {
		return of.Bytes()
	}
	bytes := make([]byte, of.Len())
	reflect.Copy(reflect.ValueOf(bytes), of)
	return bytes
}

// field tells a struct's field's name in maps: of its tag `quest:"name"` or `json:"name"`, else its own with a small first letter.
func field(of reflect.StructField) (name string, isUsed bool) {
	if !of.IsExported() {
		return "", false
	}
	for _, tag := range []string{"quest", "json"} {
		if name, _, _ := strings.Cut(of.Tag.Get(tag), ","); name != "" {
			return name, name != "-"
		}
	}
	first, size := utf8.DecodeRuneInString(of.Name)
	return string(unicode.ToLower(first)) + of.Name[size:], true
}

func pack(out []byte, of reflect.Value, depth int) ([]byte, error) {
	of = inner(of)
	if depth > depthMax+1 {
		return nil, invalid("the value is nested more than %d deep", depthMax)
	}
	if !of.IsValid() {
		return append(out, 0xc0), nil
	}
	switch of.Kind() {
	case reflect.Bool:
		if of.Bool() {
			return append(out, 0xc3), nil
		}
		return append(out, 0xc2), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return packInteger(out, of.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		whole, err := signed(of.Uint())
		return packInteger(out, whole), err
	case reflect.Float32, reflect.Float64:
		return binary.BigEndian.AppendUint64(append(out, 0xcb), math.Float64bits(of.Float())), nil
	case reflect.String:
		return packText(out, of.String()), utf8Only(of.String())
	case reflect.Slice, reflect.Array:
		if isBytes(of.Type()) {
			bytes := bytesOf(of)
			return append(head(out, len(bytes), 0, -1, 0xc4, 0xc5), bytes...), nil
		}
		out = head(out, of.Len(), 0x90, 15, 0, 0xdc)
		for i := range of.Len() {
			var err error
			if out, err = pack(out, of.Index(i), depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case reflect.Map:
		return packMap(out, of, depth)
	case reflect.Struct:
		return packStruct(out, of, depth)
	}
	return nil, invalid("a %s is no value", of.Type())
}

func packStruct(out []byte, of reflect.Value, depth int) ([]byte, error) {
	count := 0
	for i := range of.NumField() {
		if _, isUsed := field(of.Type().Field(i)); isUsed {
			count++
		}
	}
	out = head(out, count, 0x80, 15, 0, 0xde)
	for i := range of.NumField() {
		name, isUsed := field(of.Type().Field(i))
		if !isUsed {
			continue
		}
		var err error
		if out, err = pack(packText(out, name), of.Field(i), depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// packMap orders by the keys' bytes: a map of Go has no order of its own, and a retry must give the same.
func packMap(out []byte, of reflect.Value, depth int) ([]byte, error) {
	pairs := make([][2][]byte, 0, of.Len())
	for _, key := range of.MapKeys() {
		packedKey, err := pack(nil, key, depth+1)
		if err != nil {
			return nil, err
		}
		packed, err := pack(nil, of.MapIndex(key), depth+1)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, [2][]byte{packedKey, packed})
	}
	slices.SortFunc(pairs, func(a, b [2][]byte) int { return slices.Compare(a[0], b[0]) })
	out = head(out, len(pairs), 0x80, 15, 0, 0xde)
	for _, pair := range pairs {
		out = append(append(out, pair[0]...), pair[1]...)
	}
	return out, nil
}

func head(out []byte, size int, few byte, most int, tag8, tag16 byte) []byte {
	switch {
	case size <= most:
		return append(out, few|byte(size))
	case tag8 != 0 && size < 0x100:
		return append(out, tag8, byte(size))
	case size < 0x10000:
		return binary.BigEndian.AppendUint16(append(out, tag16), uint16(size))
	}
	return binary.BigEndian.AppendUint32(append(out, tag16+1), uint32(size))
}

func packText(out []byte, text string) []byte {
	return append(head(out, len(text), 0xa0, 31, 0xd9, 0xda), text...)
}

func packInteger(out []byte, value int64) []byte {
	switch {
	case value >= -32 && value < 128:
		return append(out, byte(value))
	case value >= math.MinInt8 && value <= math.MaxInt8:
		return append(out, 0xd0, byte(value))
	case value >= math.MinInt16 && value <= math.MaxInt16:
		return binary.BigEndian.AppendUint16(append(out, 0xd1), uint16(value))
	case value >= math.MinInt32 && value <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(out, 0xd2), uint32(value))
	}
	return binary.BigEndian.AppendUint64(append(out, 0xd3), uint64(value))
}

package quest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strings"

	"questhost/quest/internal/bindings/quest_host_types"
)

// lift copies a value of the contract as one of no type of Go: nil, bool, int64, float64, string, []byte, []any, map[string]any (or
// map[any]any, where keys are not all text).
func lift(value quest_host_types.Value) any {
	switch value.Tag() {
	case quest_host_types.Value_Boolean:
		return value.Boolean()
	case quest_host_types.Value_Integer:
		return value.Integer()
	case quest_host_types.Value_Number:
		return value.Number()
	case quest_host_types.Value_Text:
		return strings.Clone(value.Text())
	case quest_host_types.Value_Binary:
		return bytes.Clone(value.Binary())
	case quest_host_types.Value_Structure:
		given := &reader{data: value.Structure()}
		return given.next()
	}
	return nil
}

// reader reads MessagePack that the host has made, so it is whole.
type reader struct{ data []byte }

func (r *reader) take(count int) []byte {
	taken := r.data[:count]
	r.data = r.data[count:]
	return taken
}

func (r *reader) unsigned(width int) uint64 {
	var whole [8]byte
	copy(whole[8-width:], r.take(width))
	return binary.BigEndian.Uint64(whole[:])
}

func (r *reader) next() any {
	tag := r.take(1)[0]
	switch {
	case tag < 0x80 || tag >= 0xe0:
		return int64(int8(tag))
	case tag < 0x90:
		return r.pairs(int(tag & 15))
	case tag < 0xa0:
		return r.items(int(tag & 15))
	case tag < 0xc0:
		return string(r.take(int(tag & 31)))
	}
	switch tag {
	case 0xc0:
		return nil
	case 0xc2, 0xc3:
		return tag == 0xc3
	case 0xc4, 0xc5, 0xc6:
		return bytes.Clone(r.take(int(r.unsigned(1 << (tag - 0xc4)))))
	case 0xca:
		return float64(math.Float32frombits(uint32(r.unsigned(4))))
	case 0xcb:
		return math.Float64frombits(r.unsigned(8))
	case 0xcc, 0xcd, 0xce, 0xcf:
		return int64(r.unsigned(1 << (tag - 0xcc)))
	case 0xd0, 0xd1, 0xd2, 0xd3:
		width := 1 << (tag - 0xd0)
		unused := 64 - 8*width
		return int64(r.unsigned(width)<<unused) >> unused
	case 0xd9, 0xda, 0xdb:
		return string(r.take(int(r.unsigned(1 << (tag - 0xd9)))))
	case 0xdc, 0xdd:
		return r.items(int(r.unsigned(2 << (tag - 0xdc))))
	case 0xde, 0xdf:
		return r.pairs(int(r.unsigned(2 << (tag - 0xde))))
	}
	panic(fmt.Sprintf("MessagePack with the tag %#x is none that the host gives", tag))
}

func (r *reader) items(count int) []any {
	items := make([]any, count)
	for i := range items {
		items[i] = r.next()
	}
	return items
}

func (r *reader) pairs(count int) any {
	texts := make(map[string]any, count)
	var others map[any]any
	for range count {
		key, value := r.next(), r.next()
		if text, isText := key.(string); isText && others == nil {
			texts[text] = value
			continue
		}
		if others == nil {
			others = make(map[any]any, count)
			for text, value := range texts {
				others[text] = value
			}
		}
		if key != nil && !reflect.TypeOf(key).Comparable() {
			key = fmt.Sprint(key)
		}
		others[key] = value
	}
	if others != nil {
		return others
	}
	return texts
}

// assign puts what lift gave into a variable of a type.
func assign(to reflect.Value, value any, where string) error {
	if value == nil {
		to.SetZero()
		return nil
	}
	if to.Kind() == reflect.Interface && to.NumMethod() == 0 {
		to.Set(reflect.ValueOf(value))
		return nil
	}
	if to.Kind() == reflect.Pointer {
		to.Set(reflect.New(to.Type().Elem()))
		return assign(to.Elem(), value, where)
	}
	switch given := value.(type) {
	case bool:
		if to.Kind() == reflect.Bool {
			to.SetBool(given)
			return nil
		}
	case int64:
		return assignInteger(to, given, where)
	case float64:
		if to.Kind() == reflect.Float64 || to.Kind() == reflect.Float32 {
			to.SetFloat(given)
			return nil
		}
	case string:
		if to.Kind() == reflect.String {
			to.SetString(given)
			return nil
		}
	case []byte:
		if to.Kind() == reflect.Slice && isBytes(to.Type()) {
			to.SetBytes(given)
			return nil
		}
	case []any:
		return assignItems(to, given, where)
	case map[string]any:
		return assignPairs(to, given, where)
	case map[any]any:
		if to.Kind() == reflect.Map {
			return assignKeyed(to, given, where)
		}
	}
	return wrong(to, value, where)
}

func wrong(to reflect.Value, value any, where string) error {
	return Fail("wrong-type", fmt.Sprintf("%s is a %T, and a %s is wanted", where, value, to.Type()))
}

func assignInteger(to reflect.Value, given int64, where string) error {
	switch to.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if !to.OverflowInt(given) {
			to.SetInt(given)
			return nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if given >= 0 && !to.OverflowUint(uint64(given)) {
			to.SetUint(uint64(given))
			return nil
		}
	case reflect.Float32, reflect.Float64:
		to.SetFloat(float64(given))
		return nil
	default:
		return wrong(to, given, where)
	}
	return Fail("wrong-type", fmt.Sprintf("%s is %d, which a %s does not hold", where, given, to.Type()))
}

func assignItems(to reflect.Value, given []any, where string) error {
	if to.Kind() != reflect.Slice || isBytes(to.Type()) {
		return wrong(to, given, where)
	}
	to.Set(reflect.MakeSlice(to.Type(), len(given), len(given)))
	for i, item := range given {
		if err := assign(to.Index(i), item, fmt.Sprintf("%s[%d]", where, i)); err != nil {
			return err
		}
	}
	return nil
}

func assignPairs(to reflect.Value, given map[string]any, where string) error {
	switch to.Kind() {
	case reflect.Map:
		keyed := make(map[any]any, len(given))
		for key, value := range given {
			keyed[key] = value
		}
		return assignKeyed(to, keyed, where)
	case reflect.Struct:
		for i := range to.NumField() {
			name, isUsed := field(to.Type().Field(i))
			value, isThere := given[name]
			if !isUsed || !isThere {
				continue
			}
			if err := assign(to.Field(i), value, where+"."+name); err != nil {
				return err
			}
		}
		return nil
	}
	return wrong(to, given, where)
}

func assignKeyed(to reflect.Value, given map[any]any, where string) error {
	to.Set(reflect.MakeMapWithSize(to.Type(), len(given)))
	for key, value := range given {
		keyed, valued := reflect.New(to.Type().Key()).Elem(), reflect.New(to.Type().Elem()).Elem()
		at := fmt.Sprintf("%s[%v]", where, key)
		if err := assign(keyed, key, "a key of "+where); err != nil {
			return err
		}
		if err := assign(valued, value, at); err != nil {
			return err
		}
		to.SetMapIndex(keyed, valued)
	}
	return nil
}

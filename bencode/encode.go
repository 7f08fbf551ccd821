package bencode

import (
	"fmt"
	"slices"
	"strconv"
)

// AppendInt appends an integer.
func AppendInt(dst []byte, v int64) []byte {
	dst = append(dst, 'i')
	dst = strconv.AppendInt(dst, v, 10)
	return append(dst, 'e')
}

// AppendString appends a string.
func AppendString(dst []byte, s string) []byte {
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, ':')
	return append(dst, s...)
}

// AppendBytes appends a string given as bytes.
func AppendBytes(dst, s []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, ':')
	return append(dst, s...)
}

// Raw is a value that is encoded already: Append copies it as it is.
type Raw []byte

// Append appends v, which may be a string, []byte, int, int64, Raw, []string, []any or map[string]any of these, nested at
// will. Keys are sorted as BEP 3 demands. Other types are an error.
func Append(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return AppendString(dst, v), nil
	case []byte:
		return AppendBytes(dst, v), nil
	case int:
		return AppendInt(dst, int64(v)), nil
	case int64:
		return AppendInt(dst, v), nil
	case Raw:
		return append(dst, v...), nil
	case []string:
		dst = append(dst, 'l')
		for _, s := range v {
			dst = AppendString(dst, s)
		}
		return append(dst, 'e'), nil
	case []any:
		return appendList(dst, v)
	case map[string]any:
		return appendDict(dst, v)
	}
	return nil, fmt.Errorf("bencode: cannot encode a %T", v)
}

func appendList(dst []byte, list []any) ([]byte, error) {
	dst = append(dst, 'l')
	for _, item := range list {
		var err error
		if dst, err = Append(dst, item); err != nil {
			return nil, err
		}
	}
	return append(dst, 'e'), nil
}

func appendDict(dst []byte, dict map[string]any) ([]byte, error) {
	keys := make([]string, 0, len(dict))
	for k := range dict {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, 'd')
	for _, k := range keys {
		var err error
		if dst, err = Append(AppendString(dst, k), dict[k]); err != nil {
			return nil, err
		}
	}
	return append(dst, 'e'), nil
}

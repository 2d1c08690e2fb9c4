package manager

import (
	"reflect"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/conditions"
)

// words are strings that objects have alike, such as keys of labels and reasons of
// conditions. A decoder makes each anew for every object; the cache keeps one.
type words map[string]string

// wordsOf are those of the conditions, and those of some objects.
func wordsOf(samples []client.Object) words {
	w := words{}
	learn := func(word string) string { w[word] = word; return word }
	for _, kind := range conditions.Catalogue {
		for _, condition := range kind.Conditions {
			learn(string(condition.Type))
			for _, c := range condition.Cases {
				learn(string(c.Status))
				for _, reason := range c.Reasons {
					learn(string(reason))
				}
			}
		}
	}
	for _, sample := range samples {
		eachString(reflect.ValueOf(sample), learn)
	}
	return w
}

// use has an object use these words, and gives back what its slices have room
// for beyond what is in them.
func (w words) use(object client.Object) {
	eachString(reflect.ValueOf(object), func(s string) string {
		if word, ok := w[s]; ok {
			return word
		}
		return s
	})
}

// eachString replaces the strings in what a value points to, and clips the slices
// there to their length. What cannot be set stays as it is.
func eachString(v reflect.Value, replace func(string) string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachString(v.Elem(), replace)
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				eachString(value, replace)
			}
		}
	case reflect.Slice:
		if v.CanSet() && v.Cap() > v.Len() {
			clipped := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(clipped, v)
			v.Set(clipped)
		}
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range v.Len() {
				eachString(v.Index(i), replace)
			}
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String || v.IsNil() {
			return
		}
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			eachString(value, replace)
			// The key in the map gives way to the equal one.
			v.SetMapIndex(reflect.ValueOf(replace(key.String())).Convert(key.Type()), value)
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(replace(v.String()))
		}
	}
}

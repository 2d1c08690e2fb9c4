package settings

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// annotations is a flag that takes annotations: one as key=value, whose value is taken
// as it is; several as a JSON object; or several as a line of CSV, as
// key=value,key=value.
type annotations map[string]string

// String is a JSON object; empty for no annotation.
func (a *annotations) String() string {
	if len(*a) == 0 {
		return ""
	}
	data, err := json.Marshal(*a)
	if err != nil {
		return err.Error() // texts are always JSON
	}
	return string(data)
}

// Set adds annotations.
func (a *annotations) Set(text string) error {
	given := map[string]string{}
	switch {
	case strings.HasPrefix(text, "{"):
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			return fmt.Errorf("%s is no JSON object of strings: %w", text, err)
		}
	case !strings.HasPrefix(text, `"`) && strings.Count(text, "=") == 1:
		key, value, _ := strings.Cut(text, "=")
		given[key] = value
	default:
		pairs, err := csv.NewReader(strings.NewReader(text)).Read()
		if err != nil {
			return fmt.Errorf("%s is no line of key=value,key=value: %w", text, err)
		}
		for _, pair := range pairs {
			key, value, found := strings.Cut(pair, "=")
			if !found {
				return fmt.Errorf("%s must be key=value", pair)
			}
			given[key] = value
		}
	}
	if *a == nil {
		*a = annotations{}
	}
	maps.Copy(*a, given)
	return nil
}

// Type is what the help shows.
func (a *annotations) Type() string { return "annotations" }

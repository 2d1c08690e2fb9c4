package v1alpha1_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// FuzzFTE reads amounts of FTE: what is taken is the number that was written, in
// steps of a half, and reads the same again.
func FuzzFTE(f *testing.F) {
	for _, seed := range []string{"0.5", "1", "1.0", "3.50", "-0.5", "1e1", "0.25", "1073741823.5", "9999999999999", "", "NaN", " 1", "+1", "0x1p-1", "1.5000000000000001"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fte, err := v1alpha1.ParseFTE(text)
		if err != nil {
			return
		}
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || number*2 != float64(fte) {
			t.Fatalf("%q was read as %s", text, fte)
		}
		written, err := json.Marshal(fte)
		if err != nil {
			t.Fatal(err)
		}
		var again v1alpha1.FTE
		if err := json.Unmarshal(written, &again); err != nil || again != fte {
			t.Fatalf("%q was written as %s, which reads as %s: %v", text, written, again, err)
		}
	})
}

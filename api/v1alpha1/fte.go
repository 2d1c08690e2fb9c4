package v1alpha1

import (
	"fmt"
	"strconv"
	"strings"
)

// FTE is an amount of full-time equivalents, counted in half units: FTE(3) is
// 1.5 FTE. Dispel offers dedicated people as 1.0 or 0.5 FTE ("Customer Success
// Manager (P-CSM)", Service Delivery Model), so halves are exact and no verdict
// rests on a floating-point number.
//
// On the wire it is a JSON number: 1.5. Its steps and bounds are held by CEL
// rules on the fields that take it.
//
// +kubebuilder:validation:Type=number
// +kubebuilder:validation:Format=double
type FTE int32

// HalfFTE and OneFTE are the two units on offer.
const (
	HalfFTE FTE = 1
	OneFTE  FTE = 2
)

// String writes the amount as people do: "3", "1.5", "-0.5".
func (f FTE) String() string {
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	s := sign + strconv.Itoa(int(f/OneFTE))
	if f%OneFTE != 0 {
		s += ".5"
	}
	return s
}

// MarshalJSON writes a JSON number.
func (f FTE) MarshalJSON() ([]byte, error) {
	return []byte(f.String()), nil
}

// UnmarshalJSON reads a JSON number. Anything but a multiple of 0.5 that fits
// is an error.
func (f *FTE) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	parsed, err := ParseFTE(string(data))
	if err != nil {
		return err
	}
	*f = parsed
	return nil
}

// ParseFTE reads a decimal number, such as "3", "1.5" or "2.0". Anything but a
// multiple of 0.5 that fits is an error.
func ParseFTE(s string) (FTE, error) {
	number, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of FTE: write a multiple of 0.5, such as 0.5, 1 or 1.5", s)
	}
	// 0.5 is exact in binary, and so is every multiple of it below 2^52.
	halves := number * 2
	if halves != float64(int32(halves)) {
		return 0, fmt.Errorf("%s FTE is not on offer: write a multiple of 0.5, such as 0.5, 1 or 1.5", strings.TrimSpace(s))
	}
	return FTE(halves), nil
}

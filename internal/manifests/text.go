package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

// NotUTF8 is the error of a file whose encoding is not known.
type NotUTF8 struct {
	// Line is the first one that is not in UTF-8.
	Line int
}

func (e *NotUTF8) Error() string {
	return "this line is not in UTF-8, but perhaps in Windows-1252 or Latin-1: save the file as UTF-8"
}

// Text is what a file says, in UTF-8: by its byte order mark, if it has one, which is left out.
// Nothing is put in place of what cannot be read: the error is a *NotUTF8.
func Text(data []byte) ([]byte, error) {
	for mark, order := range map[string]unicode.Endianness{"\xff\xfe": unicode.LittleEndian, "\xfe\xff": unicode.BigEndian} {
		if bytes.HasPrefix(data, []byte(mark)) {
			text, err := unicode.UTF16(order, unicode.UseBOM).NewDecoder().Bytes(data)
			if err != nil {
				return nil, fmt.Errorf("reading UTF-16: %w", err)
			}
			if written := bytes.Count(data, []byte("\xff\xfd")) + bytes.Count(data, []byte("\xfd\xff")); bytes.Count(text, []byte(string(utf8.RuneError))) > written {
				return nil, errors.New("reading UTF-16: half of a character is missing: save the file anew")
			}
			return text, nil
		}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if utf8.Valid(data) {
		return data, nil
	}
	line := 1
	for text := range bytes.Lines(data) {
		if !utf8.Valid(text) {
			break
		}
		line++
	}
	return nil, &NotUTF8{line}
}

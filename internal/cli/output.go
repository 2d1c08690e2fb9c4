package cli

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

// newOutput is the flag that says for whom to print: people, or programs.
func newOutput() choice {
	return choice{value: "table", values: []string{"table", "json", "yaml"}}
}

// print prints a value for programs; a table is for the command to print.
func (t *Terminal) print(format string, value any, table func()) error {
	var data []byte
	var err error
	switch format {
	case "json":
		data, err = json.MarshalIndent(value, "", "  ")
		data = append(data, '\n')
	case "yaml":
		data, err = yaml.Marshal(value)
	default:
		table()
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.Out, "%s", data)
	return err
}

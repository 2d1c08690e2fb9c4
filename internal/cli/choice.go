package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag that takes one of some words.
type choice struct {
	value  string
	values []string
}

// String is the word.
func (c *choice) String() string { return c.value }

// Set takes one of the words.
func (c *choice) Set(text string) error {
	if !slices.Contains(c.values, text) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(c.values, ", "))
	}
	c.value = text
	return nil
}

// Type is what the help shows.
func (c *choice) Type() string { return "string" }

// completeChoices has the shell propose the words that a flag takes.
func completeChoices(cmd *cobra.Command, flag string, values []string) {
	completeFlag(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completeFlag has the shell propose values for a flag.
func completeFlag(cmd *cobra.Command, flag string, propose cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, propose); err != nil {
		panic(err) // the command has no such flag
	}
}

// Command alerts tests Prometheus rules with Prometheus' own libraries, without
// the service discoveries that promtool links:
//
//	alerts check rules.yaml   reads rules as Prometheus does
//	alerts test tests.yaml    does to rules what the unit tests in a file say, and
//	                          fails where an alert fires that should not, or the other way round
//
// A file of tests is one of `promtool test rules`, which runs it just the same;
// here it may have alert_rule_test only, and names its rule files without wildcards.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "alerts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 {
		switch args[0] {
		case "check":
			_, errs := rulefmt.ParseFile(args[1], false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
			return errors.Join(errs...)
		case "test":
			return testFile(ctx, args[1])
		}
	}
	return fmt.Errorf("say `check` or `test` and a file, not %q", args)
}

// Command bench measures the operator with many partners on the embedded control
// plane, beside a plain client that creates the same objects:
//
//	go run ./hack/bench [-partners 10,1000,5000,10000] [-out build/bench]
//
// It writes report.json and report.md. With -docs, it writes docs/performance.json
// and the part of docs/performance.md that shows it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	partners := flag.String("partners", "10,1000,5000,10000", "numbers of partners to measure with")
	rounds := flag.Int("rounds", 3, "how often the plain client and the operator take turns")
	compared := flag.Int("compared", 1000, "how many partners they do it with")
	races := flag.Int("races", 1000, "how many hosts two partners want at once")
	tenants := flag.Int("tenants", 10000, "among how many tenants admission policies are measured")
	probed := flag.Int("probed", 10000, "how many sub-domains one prober probes")
	operator := flag.String("operator", "bin/partner-operator", "the operator's binary")
	out := flag.String("out", "build/bench", "folder for the report")
	docs := flag.Bool("docs", false, "update docs/performance.json and docs/performance.md")
	flag.Parse()
	var sizes []int
	for field := range strings.FieldsFuncSeq(*partners, func(r rune) bool { return r == ',' }) {
		size, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("-partners %q: %w", *partners, err)
		}
		sizes = append(sizes, size)
	}
	bench := &bench{operator: *operator}
	report, failed := bench.measure(ctx, *rounds, *compared, *races, *tenants, *probed, sizes)
	// What was measured before a failure is kept, too.
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	page := report.markdown()
	fmt.Print(page)
	if err = os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	err = errors.Join(failed,
		os.WriteFile(filepath.Join(*out, "report.json"), data, 0o600),
		os.WriteFile(filepath.Join(*out, "report.md"), []byte(page), 0o600))
	if err != nil || !*docs {
		return err
	}
	return errors.Join(os.WriteFile("docs/performance.json", data, 0o600), updatePage("docs/performance.md", page))
}

// measure takes all measurements in turn, each on a control plane of its own. With
// an error, the report has what was measured before.
func (b *bench) measure(ctx context.Context, rounds, compared, races, tenants, probed int, sizes []int) (*report, error) {
	r := &report{Machine: machine(), Workers: workers}
	for round := range rounds {
		var turn comparison
		say("Round %d of %d with %d partners", round+1, rounds, compared)
		for _, each := range []struct {
			what string
			do   func(g *ground) (float64, error)
		}{
			{"a plain client that creates them", func(g *ground) (_ float64, err error) {
				turn.Created, err = g.floor(ctx, compared, false)
				return turn.Created.Seconds, err
			}},
			{"a plain client that writes their status, too", func(g *ground) (_ float64, err error) {
				turn.Finished, err = g.floor(ctx, compared, true)
				return turn.Finished.Seconds, err
			}},
			{"the operator", func(g *ground) (_ float64, err error) {
				turn.Operator, err = g.converge(ctx, compared)
				return turn.Operator.Seconds, err
			}},
		} {
			err := b.on(ctx, func(g *ground) error {
				seconds, err := each.do(g)
				say("  %s: %.1f s", each.what, seconds)
				return err
			})
			if err != nil {
				return r, err
			}
		}
		r.Comparisons = append(r.Comparisons, turn)
	}
	for _, size := range sizes {
		say("%d partners", size)
		err := b.on(ctx, func(g *ground) error {
			measured, err := g.fleet(ctx, size)
			r.Fleets = append(r.Fleets, measured)
			return err
		})
		if err != nil {
			return r, err
		}
	}
	if tenants > 0 {
		say("what admission policies cost among %d tenants", tenants)
		err := b.on(ctx, func(g *ground) (err error) {
			r.Admission, err = g.admission(ctx, 3, tenants)
			return err
		})
		if err != nil {
			return r, err
		}
	}
	if probed > 0 {
		say("one prober for %d sub-domains", probed)
		err := b.on(ctx, func(g *ground) (err error) {
			r.Probing, err = g.probing(ctx, probed)
			return err
		})
		if err != nil {
			return r, err
		}
	}
	if races > 0 {
		say("%d hosts that two partners want at once", races)
		return r, b.on(ctx, func(g *ground) (err error) {
			r.Races, err = g.races(ctx, races)
			return err
		})
	}
	return r, nil
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// suite is a file of tests, in the format of `promtool test rules`.
type suite struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []testCase     `yaml:"tests"`
}

type testCase struct {
	Name        string         `yaml:"name"`
	Interval    model.Duration `yaml:"interval"`
	InputSeries []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Alerts []expectation `yaml:"alert_rule_test"`
}

// expectation is what there is of an alert at a time.
type expectation struct {
	EvalTime model.Duration `yaml:"eval_time"`
	Name     string         `yaml:"alertname"`
	Alerts   []struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	} `yaml:"exp_alerts"`
}

func testFile(ctx context.Context, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var s suite
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(s.Tests) == 0 {
		return fmt.Errorf("%s: there are no tests", path)
	}
	if s.EvaluationInterval == 0 {
		s.EvaluationInterval = model.Duration(time.Minute)
	}
	for i, file := range s.RuleFiles {
		s.RuleFiles[i] = filepath.Join(filepath.Dir(path), file)
	}
	var errs []error
	for _, test := range s.Tests {
		if test.Interval == 0 {
			test.Interval = s.EvaluationInterval
		}
		if len(test.Alerts) == 0 {
			errs = append(errs, fmt.Errorf("%s: there is no alert_rule_test", test.Name))
			continue
		}
		if err := s.run(ctx, test); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", test.Name, err))
		}
	}
	return errors.Join(errs...)
}

// run evaluates the rules at each interval on the series of a case, and looks at
// the alerts when the case says so.
func (s suite) run(ctx context.Context, test testCase) (err error) {
	var load strings.Builder
	fmt.Fprintf(&load, "load %v\n", test.Interval)
	for _, series := range test.InputSeries {
		fmt.Fprintf(&load, "  %s %s\n", series.Series, series.Values)
	}
	samples, err := promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, samples.Close()) }()
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(samples.QueryEngine(), samples.Storage()),
		Appendable: samples.Storage(),
		Queryable:  samples.Storage(),
		Context:    ctx,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     slog.New(slog.DiscardHandler),
		Parser:     parser.NewParser(parser.Options{}),
	})
	interval := time.Duration(s.EvaluationInterval)
	byName, errs := manager.LoadGroups(time.Duration(test.Interval), labels.EmptyLabels(), "", nil, false, s.RuleFiles...)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	var groups []*rules.Group
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		groups = append(groups, byName[name])
	}
	var last time.Duration
	for _, want := range test.Alerts {
		last = max(last, time.Duration(want.EvalTime))
		if !slices.ContainsFunc(alerts(groups), func(rule *rules.AlertingRule) bool { return rule.Name() == want.Name }) {
			errs = append(errs, fmt.Errorf("there is no alert %s in %v", want.Name, s.RuleFiles))
		}
	}
	for at := time.Duration(0); at <= last && len(errs) == 0; at += interval {
		now := time.Unix(0, 0).UTC().Add(at)
		samples.WithSamplesTill(now, func(err error) {
			if err != nil {
				errs = append(errs, err)
				return
			}
			for _, group := range groups {
				group.Eval(ctx, now)
				for _, rule := range group.Rules() {
					if err := rule.LastError(); err != nil {
						errs = append(errs, fmt.Errorf("rule %s after %s: %w", rule.Name(), at, err))
					}
				}
			}
		})
		for _, want := range test.Alerts {
			if when := time.Duration(want.EvalTime); when < at || when >= at+interval {
				continue
			}
			if expected, found := want.text(), firing(groups, want.Name); !slices.Equal(expected, found) {
				errs = append(errs, fmt.Errorf("alert %s after %v\n  expected: %s\n  found:    %s", want.Name, want.EvalTime,
					strings.Join(expected, "\n            "), strings.Join(found, "\n            ")))
			}
		}
	}
	return errors.Join(errs...)
}

func alerts(groups []*rules.Group) []*rules.AlertingRule {
	var all []*rules.AlertingRule
	for _, group := range groups {
		all = append(all, group.AlertingRules()...)
	}
	return all
}

// text is what is expected, sorted.
func (e expectation) text() []string {
	var text []string
	for _, alert := range e.Alerts {
		set := labels.NewBuilder(labels.FromMap(alert.Labels)).Set(labels.AlertName, e.Name).Labels()
		text = append(text, set.String()+" "+labels.FromMap(alert.Annotations).String())
	}
	slices.Sort(text)
	return text
}

// firing is what there is of an alert, sorted.
func firing(groups []*rules.Group, name string) []string {
	var text []string
	for _, rule := range alerts(groups) {
		if rule.Name() != name {
			continue
		}
		rule.ForEachActiveAlert(func(alert *rules.Alert) {
			if alert.State == rules.StateFiring {
				text = append(text, alert.Labels.String()+" "+alert.Annotations.String())
			}
		})
	}
	slices.Sort(text)
	return text
}

package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/dispel/partner-operator/internal/build"
)

// clusterFlags say which cluster to talk to.
type clusterFlags struct {
	kubeconfig string
}

func (f *clusterFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file; that of $KUBECONFIG or of the cluster that this runs in if empty")
}

// connect finds the cluster. agent is the name under which to appear there.
func (f *clusterFlags) connect(agent string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	config.UserAgent = agent + "/" + build.Version()
	return config, nil
}

// logFlags say what is logged, and how.
type logFlags struct {
	format, level string
}

func (f *logFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.format, "log-format", "json", "json or text")
	flags.StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
}

func (f *logFlags) setUp() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return fmt.Errorf("--log-level %q: write debug, info, warn or error", f.level)
	}
	options := &slog.HandlerOptions{Level: level}
	var logs slog.Handler
	switch f.format {
	case "json":
		logs = slog.NewJSONHandler(os.Stderr, options)
	case "text":
		logs = slog.NewTextHandler(os.Stderr, options)
	default:
		return fmt.Errorf("--log-format %q: write json or text", f.format)
	}
	logger := logr.FromSlogHandler(logs)
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	return nil
}

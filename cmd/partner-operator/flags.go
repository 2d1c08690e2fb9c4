package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
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

// askAgain is how long to wait for the API server to answer before it is asked again.
const askAgain = 2 * time.Second

// await waits until the API server answers, whatever that is. Exiting instead would incur
// CrashLoopBackOff, by which an outage lasts up to five minutes longer. A certificate that cannot be
// trusted is an answer.
func await(ctx context.Context, config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.Timeout = 10 * time.Second
	server, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	told := time.Time{}
	return wait.PollUntilContextCancel(ctx, askAgain, true, func(context.Context) (bool, error) {
		_, err := server.ServerVersion()
		_, silent := errors.AsType[*url.Error](err)
		if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
			return false, err
		}
		if !silent && !apierrors.IsServiceUnavailable(err) && !apierrors.IsInternalError(err) && !apierrors.IsTooManyRequests(err) && !apierrors.IsTimeout(err) {
			return true, nil
		}
		if time.Since(told) > time.Minute {
			told = time.Now()
			ctrl.Log.Info("The API server does not answer; waiting for it", "address", config.Host, "error", err.Error())
		}
		return false, nil
	})
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

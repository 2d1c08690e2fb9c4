//go:build !complete && (!only || kube_controller_manager)

package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/component-base/cli"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/resourcequota"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	quotas "k8s.io/kubernetes/pkg/quota/v1/install"
	tokens "k8s.io/kubernetes/pkg/serviceaccount"
)

func init() {
	components["kube-controller-manager"] = func() { os.Exit(cli.Run(newControllerManagerCommand())) }
}

// controllerManager is kube-controller-manager with those of its controllers alone
// that the tests and the demo rely on, as docs/development.md lists them. The others
// bring the scheduler, the kubelet and a dozen kinds of volumes along.
type controllerManager struct {
	kubeconfig, privateKeyFile, rootCAFile string

	leaderElect   bool
	securePort    int
	qps           float32
	burst, gcRuns int
}

func newControllerManagerCommand() *cobra.Command {
	var m controllerManager
	cmd := &cobra.Command{
		Use:           "kube-controller-manager",
		Short:         "Runs the controllers of Kubernetes that partner-operator relies on",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return m.run(ctx)
		},
	}
	m.addFlags(cmd.Flags())
	return cmd
}

// addFlags adds those of kube-controller-manager's own flags that are understood here.
func (m *controllerManager) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&m.kubeconfig, "kubeconfig", "", "kubeconfig file")
	flags.StringVar(&m.privateKeyFile, "service-account-private-key-file", "", "file with the key that signs tokens of service accounts")
	flags.StringVar(&m.rootCAFile, "root-ca-file", "", "file with the certificate authority that Pods are told of")
	flags.BoolVar(&m.leaderElect, "leader-elect", false, "must be false: there is one alone")
	flags.IntVar(&m.securePort, "secure-port", 0, "must be 0: nothing is served")
	flags.Float32Var(&m.qps, "kube-api-qps", 20, "requests a second")
	flags.IntVar(&m.burst, "kube-api-burst", 30, "requests at once beyond that")
	flags.IntVar(&m.gcRuns, "concurrent-gc-syncs", 20, "objects that the garbage collector looks at at once")
}

func (m *controllerManager) run(ctx context.Context) error {
	if m.leaderElect || m.securePort != 0 {
		return errors.New("--leader-elect and --secure-port have no other values than false and 0 here")
	}
	config, err := clientcmd.BuildConfigFromFlags("", m.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = m.qps, m.burst
	common, err := newShared(ctx, config)
	if err != nil {
		return err
	}
	var controllers []func()
	for _, construct := range []func(context.Context, *shared) ([]func(), error){
		m.tokens, m.serviceAccounts, m.rootCA, m.namespaces, m.quotas, m.garbage, m.roles,
	} {
		runs, err := construct(ctx, common)
		if err != nil {
			return err
		}
		controllers = append(controllers, runs...)
	}
	common.informers.Start(ctx.Done())
	common.all.Start(ctx.Done())
	close(common.started)
	var running sync.WaitGroup
	for _, run := range controllers {
		running.Go(run)
	}
	running.Wait()
	return nil
}

// shared is what the controllers have in common.
type shared struct {
	config    *rest.Config
	client    kubernetes.Interface
	metadata  metadata.Interface
	informers informers.SharedInformerFactory
	// all has informers for kinds without types, too.
	all     informerfactory.InformerFactory
	started chan struct{}
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func newShared(ctx context.Context, config *rest.Config) (*shared, error) {
	client, err := kubernetes.NewForConfig(rest.AddUserAgent(rest.CopyConfig(config), "controllers"))
	if err != nil {
		return nil, err
	}
	faster := rest.AddUserAgent(rest.CopyConfig(config), "metadata")
	faster.QPS *= 2
	objects, err := metadata.NewForConfig(faster)
	if err != nil {
		return nil, err
	}
	const resync = 12 * time.Hour
	trim := func(obj any) (any, error) {
		if accessor, err := meta.Accessor(obj); err == nil {
			accessor.SetManagedFields(nil)
		}
		return obj, nil
	}
	s := &shared{
		config: config, client: client, metadata: objects, started: make(chan struct{}),
		informers: informers.NewSharedInformerFactoryWithOptions(client, resync, informers.WithTransform(trim)),
		mapper:    restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
	}
	s.all = informerfactory.NewInformerFactory(s.informers, metadatainformer.NewSharedInformerFactoryWithOptions(objects, resync, metadatainformer.WithTransform(trim)))
	go wait.Until(s.mapper.Reset, 30*time.Second, ctx.Done())
	return s, nil
}

func (m *controllerManager) tokens(ctx context.Context, s *shared) ([]func(), error) {
	key, err := keyutil.PrivateKeyFromFile(m.privateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("--service-account-private-key-file: %w", err)
	}
	generator, err := tokens.JWTTokenGenerator(tokens.LegacyIssuer, key)
	if err != nil {
		return nil, err
	}
	root, err := m.readRootCA()
	if err != nil {
		return nil, err
	}
	controller, err := serviceaccount.NewTokensController(klog.FromContext(ctx), s.informers.Core().V1().ServiceAccounts(), s.informers.Core().V1().Secrets(), s.client,
		serviceaccount.TokensControllerOptions{TokenGenerator: generator, RootCA: root})
	return []func(){func() { controller.Run(ctx, 5) }}, err
}

func (m *controllerManager) serviceAccounts(ctx context.Context, s *shared) ([]func(), error) {
	controller, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), s.informers.Core().V1().ServiceAccounts(), s.informers.Core().V1().Namespaces(), s.client,
		serviceaccount.DefaultServiceAccountsControllerOptions())
	return []func(){func() { controller.Run(ctx, 1) }}, err
}

func (m *controllerManager) rootCA(ctx context.Context, s *shared) ([]func(), error) {
	root, err := m.readRootCA()
	if err != nil {
		return nil, err
	}
	controller, err := rootcacertpublisher.NewPublisher(s.informers.Core().V1().ConfigMaps(), s.informers.Core().V1().Namespaces(), s.client, root)
	return []func(){func() { controller.Run(ctx, 1) }}, err
}

func (m *controllerManager) readRootCA() ([]byte, error) {
	data, err := os.ReadFile(m.rootCAFile)
	if err != nil {
		return nil, fmt.Errorf("--root-ca-file: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("--root-ca-file: no certificate in %s", m.rootCAFile)
	}
	return data, nil
}

func (m *controllerManager) namespaces(ctx context.Context, s *shared) ([]func(), error) {
	// Emptying one namespace takes a request for each kind there is.
	config := rest.AddUserAgent(rest.CopyConfig(s.config), "namespace-controller")
	config.QPS *= 20
	config.Burst *= 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	controller := namespace.NewNamespaceController(ctx, client, objects, client.Discovery().ServerPreferredNamespacedResources,
		s.informers.Core().V1().Namespaces(), 5*time.Minute, corev1.FinalizerKubernetes)
	return []func(){func() { controller.Run(ctx, 10) }}, nil
}

func (m *controllerManager) quotas(ctx context.Context, s *shared) ([]func(), error) {
	kinds, err := quotas.NewQuotaConfigurationForControllers(generic.ListerFuncForResourceFunc(s.informers.ForResource), s.informers)
	if err != nil {
		return nil, err
	}
	discover := s.client.Discovery().ServerPreferredNamespacedResources
	controller, err := resourcequota.NewController(ctx, &resourcequota.ControllerOptions{
		QuotaClient:               s.client.CoreV1(),
		ResourceQuotaInformer:     s.informers.Core().V1().ResourceQuotas(),
		ResyncPeriod:              func() time.Duration { return 5 * time.Minute },
		InformerFactory:           s.all,
		ReplenishmentResyncPeriod: func() time.Duration { return 12 * time.Hour },
		DiscoveryFunc:             discover,
		IgnoredResourcesFunc:      kinds.IgnoredResources,
		InformersStarted:          s.started,
		Registry:                  generic.NewRegistry(kinds.Evaluators()),
		UpdateFilter:              quotas.DefaultUpdateFilter(),
	})
	return []func(){
		func() { controller.Run(ctx, 5) },
		func() { controller.Sync(ctx, discover, 30*time.Second) },
	}, err
}

func (m *controllerManager) garbage(ctx context.Context, s *shared) ([]func(), error) {
	graph := garbagecollector.NewDependencyGraphBuilder(ctx, s.metadata, s.mapper, garbagecollector.DefaultIgnoredResources(), s.all, s.started)
	controller, err := garbagecollector.NewComposedGarbageCollector(ctx, s.client, s.metadata, s.mapper, graph)
	return []func(){
		func() { controller.Run(ctx, m.gcRuns, 30*time.Second) },
		// Tests install CustomResourceDefinitions and do not wait half a minute until what
		// belongs to their objects is collected.
		func() { controller.Sync(ctx, s.client.Discovery(), 2*time.Second) },
	}, err
}

func (m *controllerManager) roles(ctx context.Context, s *shared) ([]func(), error) {
	controller := clusterroleaggregation.NewClusterRoleAggregation(s.informers.Rbac().V1().ClusterRoles(), s.client.RbacV1())
	return []func(){func() { controller.Run(ctx, 5) }}, nil
}

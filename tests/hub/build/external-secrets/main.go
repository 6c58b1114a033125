// The External Secrets Operator as the fleet uses it: SecretStores and ExternalSecrets, and AWS as the only provider.
// The operator's own command links every provider there is; some of their modules are not published, and all of
// them would make the build three times as long. The reconcilers are the operator's own.
package main

import (
	"flag"
	"log"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	esv1 "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	esv1alpha1 "github.com/external-secrets/external-secrets/apis/externalsecrets/v1alpha1"
	genv1alpha1 "github.com/external-secrets/external-secrets/apis/generators/v1alpha1"
	ctrlcommon "github.com/external-secrets/external-secrets/pkg/controllers/common"
	"github.com/external-secrets/external-secrets/pkg/controllers/externalsecret"
	"github.com/external-secrets/external-secrets/pkg/controllers/externalsecret/esmetrics"
	ctrlmetrics "github.com/external-secrets/external-secrets/pkg/controllers/metrics"
	"github.com/external-secrets/external-secrets/pkg/controllers/secretstore"
	"github.com/external-secrets/external-secrets/pkg/controllers/secretstore/ssmetrics"

	_ "github.com/external-secrets/external-secrets/pkg/provider/aws"
)

func main() {
	probe := flag.String("health-probe-addr", "127.0.0.1:0", "where /healthz and /readyz are answered")
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseDevMode(false)))

	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(esv1.AddToScheme(scheme))
	utilruntime.Must(esv1alpha1.AddToScheme(scheme))
	utilruntime.Must(genv1alpha1.AddToScheme(scheme))

	// The reconcilers count into these and fail without them.
	ctrlmetrics.SetUpLabelNames(false)
	esmetrics.SetUpMetrics()
	ssmetrics.SetUpMetrics()

	config := ctrl.GetConfigOrDie()
	config.QPS, config.Burst = 50, 100
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		Metrics:                server.Options{BindAddress: "0"},
		HealthProbeBindAddress: *probe,
		// As in the operator's default: Secrets and ConfigMaps are read from the API server each time.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&v1.Secret{}, &v1.ConfigMap{}}}},
	})
	check(err)
	secrets, err := ctrlcommon.BuildManagedSecretClient(manager, "")
	check(err)
	check((&secretstore.StoreReconciler{
		Client:          manager.GetClient(),
		Log:             ctrl.Log.WithName("controllers").WithName("SecretStore"),
		Scheme:          manager.GetScheme(),
		ControllerClass: "default",
		RequeueInterval: 5 * time.Minute,
	}).SetupWithManager(manager, options()))
	check((&externalsecret.Reconciler{
		Client:          manager.GetClient(),
		SecretClient:    secrets,
		Log:             ctrl.Log.WithName("controllers").WithName("ExternalSecret"),
		Scheme:          manager.GetScheme(),
		RestConfig:      manager.GetConfig(),
		ControllerClass: "default",
		RequeueInterval: time.Hour,
		EnableFloodGate: true,
	}).SetupWithManager(manager, options()))
	check(manager.AddHealthzCheck("ping", healthz.Ping))
	check(manager.AddReadyzCheck("ping", healthz.Ping))
	check(manager.Start(ctrl.SetupSignalHandler()))
}

func options() controller.Options {
	return controller.Options{MaxConcurrentReconciles: 1, RateLimiter: ctrlcommon.BuildRateLimiter()}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

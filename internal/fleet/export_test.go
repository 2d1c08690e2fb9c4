package fleet

import "github.com/dispel/partner-operator/api/v1alpha1"

// KnowsReason reports whether it is known which link of a partner a reason of
// SubdomainReady is about.
func KnowsReason(reason v1alpha1.Reason) bool {
	_, known := brokenLink[reason]
	return known
}

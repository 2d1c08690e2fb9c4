package controllers

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/internal/kinds"
)

var _ = Describe("The watch of an optional API", func() {
	It("is tried again if it could not be started, and not once it is", func() {
		api, kind, tries := &optionalAPI{}, kinds.All[0], 0
		start := func() error {
			if tries++; tries == 1 {
				return errors.New("discovery does not answer")
			}
			return nil
		}
		Expect(api.watchOnce(kind, start)).To(MatchError("discovery does not answer"))
		Expect(api.watchOnce(kind, start)).To(Succeed())
		Expect(api.watchOnce(kind, start)).To(Succeed())
		Expect(tries).To(Equal(2))
	})
})

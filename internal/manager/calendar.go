package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/calendar"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/gather"
	"github.com/dispel/partner-operator/internal/index"
)

// CalendarPath is where calendars are served: CalendarPath + "acme.ics".
const CalendarPath = "/calendar/"

// How many days a calendar has before and after today, and how many are made at once.
const (
	calendarPast    = 31
	calendarAhead   = 183
	calendarsAtOnce = 4
)

// calendars serves who is on duty for a partner to those who may get its Partner, by a bearer token
// or by one in the place of a password, which is what programs for calendars can send.
type calendars struct {
	reader client.Reader
	asked  kubernetes.Interface
	clock  clock.PassiveClock
	// places bound how many requests ask the API server at once.
	places chan struct{}
}

func addCalendars(mgr ctrl.Manager, options Options) error {
	asked, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	return mgr.AddMetricsServerExtraHandler(CalendarPath, &calendars{mgr.GetClient(), asked, options.Clock, make(chan struct{}, calendarsAtOnce)})
}

// Authenticates tells that the handler asks for a token itself.
func (*calendars) Authenticates() {}

// refusal is an answer other than a calendar.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

// ServeHTTP implements http.Handler.
func (c *calendars) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, isCalendar := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, CalendarPath), ".ics")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served", http.StatusMethodNotAllowed)
		return
	case !isCalendar || name == "" || strings.Contains(name, "/"):
		http.Error(w, "write "+CalendarPath+"<partner>.ics", http.StatusNotFound)
		return
	}
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many calendars are asked for at once: try again", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	err := c.authorize(ctx, r, name)
	var page bytes.Buffer
	if err == nil {
		err = c.write(ctx, &page, name)
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		if refused.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="a token of the cluster as password"`)
		}
		http.Error(w, refused.message, refused.status)
		return
	}
	if err != nil {
		http.Error(w, "the calendar cannot be made: see the log of the manager", http.StatusInternalServerError)
		ctrl.Log.WithName("calendar").Error(err, "Cannot make a calendar", "partner", name)
		return
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	_, _ = w.Write(page.Bytes()) // whoever asked may be gone
}

// authorize finds out whether a request comes from somebody who may get a Partner.
func (c *calendars) authorize(ctx context.Context, r *http.Request, partner string) error {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		_, token, _ = r.BasicAuth()
	}
	const longest = 16 << 10
	if token == "" || len(token) > longest {
		return &refusal{http.StatusUnauthorized, "send a token of the cluster, as Bearer or as the password of Basic"}
	}
	review, err := c.asked.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("reviewing a token: %w", err)
	}
	if !review.Status.Authenticated {
		return &refusal{http.StatusUnauthorized, "the cluster does not know the token"}
	}
	user := review.Status.User
	extra := map[string]authorizationv1.ExtraValue{}
	for key, values := range user.Extra {
		extra[key] = authorizationv1.ExtraValue(values)
	}
	access, err := c.asked.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, Groups: user.Groups, UID: user.UID, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Group: v1alpha1.GroupVersion.Group, Resource: "partners", Verb: "get", Name: partner},
	}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("reviewing access: %w", err)
	}
	if !access.Status.Allowed {
		return &refusal{http.StatusForbidden, fmt.Sprintf("%s may not get the Partner %q: have an administrator bind the operator's ClusterRole for viewers", user.Username, partner)}
	}
	return nil
}

// write makes the calendar of a partner.
func (c *calendars) write(ctx context.Context, page *bytes.Buffer, name string) error {
	partner, err := gather.Found(ctx, c.reader, name, &v1alpha1.Partner{})
	if err != nil {
		return err
	}
	if partner == nil {
		return &refusal{http.StatusNotFound, fmt.Sprintf("there is no Partner %q", name)}
	}
	plan, err := gather.Found(ctx, c.reader, contract.PlanName(partner), &v1alpha1.SupportPlan{})
	if err != nil {
		return err
	}
	terms, fault := contract.Terms(partner, plan)
	if fault != nil {
		return &refusal{http.StatusNotFound, fault.Message}
	}
	var allocations v1alpha1.PCSMAllocationList
	if err = c.reader.List(ctx, &allocations, index.AllocationByPartner.Is(name)); err != nil {
		return err
	}
	roster, err := coverage.New(terms.OperatingHours, partner, allocations.Items)
	if err != nil {
		return err
	}
	now := c.clock.Now()
	today := now.In(roster.Zone()).Truncate(time.Minute)
	from, until := today.AddDate(0, 0, -calendarPast), today.AddDate(0, 0, calendarAhead)
	return calendar.Write(page, []calendar.Partner{{
		Name: name, Period: roster.Between(from, until), Unknown: !roster.HasShifts(from, until),
		Days: calendar.DaysOf(partner, terms.OperatingHours, allocations.Items, from, until),
	}}, now)
}

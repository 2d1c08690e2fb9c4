package widget

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Display is where the messenger opens.
type Display string

// The places where the messenger opens.
const (
	// InWindow opens the messenger in a tab of its own.
	InWindow Display = "window"
	// InPanel opens it in a frame in the widget's panel. The engine's
	// Content-Security-Policy has to allow the frame.
	InPanel Display = "panel"
)

// Contact is how end customers reach the P-CSMs: by a messenger, or else by
// e-mail.
type Contact struct {
	// MessengerURL is the messenger's address, with {partner}, {host} and
	// {language} in place of what the vendor wants to know. In config.json only
	// {language} is left: the browser knows it best.
	MessengerURL string `json:"messengerURL,omitempty"`
	// Display is where the messenger opens.
	Display Display `json:"display,omitempty"`
	// Permissions are what a messenger in the panel may do beside showing itself: names
	// of Permissions.
	Permissions []string `json:"permissions,omitempty"`
	// Email is the address to write to without a messenger.
	Email string `json:"email,omitempty"`
}

// Permissions are what a messenger in the panel can be allowed: features of
// Permissions Policy, by the names that browsers give them, and dialogs, the alerts and
// questions of the browser.
var Permissions = []string{"autoplay", "camera", "dialogs", "display-capture", "fullscreen", "microphone", "picture-in-picture", "screen-wake-lock", "speaker-selection"}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// Check tells what is wrong with a contact. The errors name the flags of the
// widget server.
func (c Contact) Check() error {
	if c.MessengerURL == "" && c.Email == "" {
		return errors.New("nobody could be reached: give --messenger-url, or --support-email")
	}
	var faults []error
	if c.MessengerURL != "" {
		for _, name := range placeholder.FindAllString(c.MessengerURL, -1) {
			if name != "{partner}" && name != "{host}" && name != "{language}" {
				faults = append(faults, fmt.Errorf("--messenger-url %q: %s stands for nothing: use {partner}, {host} and {language}", c.MessengerURL, name))
			}
		}
		parsed, err := url.Parse(placeholder.ReplaceAllString(c.MessengerURL, "x"))
		if err != nil || parsed.Host == "" || parsed.Scheme != "https" && !loopback(parsed) {
			faults = append(faults, fmt.Errorf("--messenger-url %q: write an https address, such as https://chat.example.com/?partner={partner}&lang={language}", c.MessengerURL))
		}
		if c.Display != InWindow && c.Display != InPanel {
			faults = append(faults, fmt.Errorf("--messenger-display %q: write window or panel", c.Display))
		}
	}
	for _, permission := range c.Permissions {
		if !slices.Contains(Permissions, permission) {
			faults = append(faults, fmt.Errorf("--messenger-permissions %q: write some of %s", permission, strings.Join(Permissions, ", ")))
		}
	}
	if len(c.Permissions) > 0 && (c.MessengerURL == "" || c.Display != InPanel) {
		faults = append(faults, errors.New("--messenger-permissions: only a messenger in the panel needs any: give --messenger-url and --messenger-display=panel, too"))
	}
	if c.Email != "" {
		if address, err := mail.ParseAddress(c.Email); err != nil || address.Address != c.Email {
			faults = append(faults, fmt.Errorf("--support-email %q: write an e-mail address, such as support@example.com", c.Email))
		}
	}
	return errors.Join(faults...)
}

// loopback reports whether an address is on this machine, where a messenger to try
// things with needs no certificate.
func loopback(u *url.URL) bool {
	return u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1")
}

// On fills in what is known of a partner's sub-domain.
func (c Contact) On(partner, host string) Contact {
	if c.MessengerURL == "" {
		return Contact{Email: c.Email}
	}
	return Contact{
		MessengerURL: strings.NewReplacer("{partner}", url.QueryEscape(partner), "{host}", url.QueryEscape(host)).Replace(c.MessengerURL),
		Display:      c.Display,
		Permissions:  c.Permissions,
		Email:        c.Email,
	}
}

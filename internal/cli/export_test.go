package cli

// TakesColours tells whether the environment of a terminal lets it have colours.
var TakesColours = takesColours

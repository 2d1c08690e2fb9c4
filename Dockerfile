# The build runs on the builder's own platform and cross-compiles, so that no
# emulation is needed for the others.
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY api/go.mod api/go.sum api/
RUN go mod download
COPY api api
COPY cmd cmd
COPY config config
COPY controllers controllers
COPY internal internal
ARG TARGETOS TARGETARCH VERSION COMMIT
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X github.com/dispel/partner-operator/internal/build.version=$VERSION -X github.com/dispel/partner-operator/internal/build.commit=$COMMIT" -o /partner-operator ./cmd/partner-operator

# Nothing but the binary: it is static, and has the time zones in it.
FROM scratch
COPY --from=build /partner-operator /partner-operator
USER 65532:65532
ENTRYPOINT ["/partner-operator"]

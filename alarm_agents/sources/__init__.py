"""Sources: video files, folders of frames, recorded captions, cameras and streams; cut into windows."""

from alarm_agents.sources.address import is_live
from alarm_agents.sources.base import Source, Stamped, slugify
from alarm_agents.sources.captions import Caption
from alarm_agents.sources.open import AnySource, expand, open_source
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.windows import cut

__all__ = [
    "AnySource",
    "Caption",
    "Picture",
    "Source",
    "Stamped",
    "cut",
    "expand",
    "is_live",
    "open_source",
    "slugify",
]
